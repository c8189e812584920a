// What every page of Pellamart does: the gallery, pictures that wait until
// they are scrolled to, the cookie wall, and listings that a script draws.
(() => {
  "use strict";
  const esc = s => String(s ?? "").replace(/[&<>"']/g, c => "&#" + c.charCodeAt(0) + ";");

  const wake = root => {
    const seen = new IntersectionObserver(es => es.forEach(e => {
      if (!e.isIntersecting) return;
      e.target.src = e.target.dataset.src;
      seen.unobserve(e.target);
    }), {rootMargin: "200px"});
    root.querySelectorAll("img.lazy[data-src]").forEach(i => seen.observe(i));
    root.querySelectorAll(".thumb").forEach(b => b.addEventListener("click", () => {
      document.getElementById("main-image").src = b.dataset.full;
    }));
  };

  const draw = (app, d) => {
    const t = d.words, n = (f, v) => f.replace("%d", v);
    document.title = d.title + " | Pellamart";
    app.innerHTML = `
 ${d.sold_out ? `<p class="banner banner--sold" id="item-status">${esc(t.SoldOut)}</p>` : ""}
 <div class="item__grid">
  <div class="gallery">
   <div class="gallery__thumbs">${d.images.map(u => `<button class="thumb" data-full="${esc(u)}"><img src="${esc(u)}" alt="" width="72" height="72"></button>`).join("")}</div>
   <div class="gallery__main"><img id="main-image" src="${esc(d.images[0])}" alt="${esc(d.title)}" width="640" height="640"></div>
  </div>
  <div class="buy">
   <h1 class="lst-title">${esc(d.title)}</h1>
   <p class="rating">★★★★☆ <span>${esc(n(t.Sold, d.sold))}</span></p>
   <div class="money"><span class="lst-price" data-currency="${esc(d.price.currency)}">${esc(d.price.display)}</span>${d.strike ? ` <s class="lst-strike">${esc(d.strike)}</s>` : ""}</div>
   <dl class="facts"><dt>${esc(t.Condition)}</dt><dd class="lst-condition">${esc(d.condition === "used" ? t.Used : t.New)}</dd><dt>${esc(t.ShipsFrom)}</dt><dd class="lst-ships">${esc(d.ships_from)}</dd></dl>
   ${d.sold_out ? "" : `<p class="lst-stock">${esc(n(t.Available, d.stock))}</p><div class="acts"><button class="btn btn--main">${esc(t.BuyNow)}</button><button class="btn">${esc(t.AddToCart)}</button></div>`}
   <aside class="seller"><span class="seller__face">${esc([...d.seller.name][0].toUpperCase())}</span><div><span class="seller__by">${esc(t.SoldBy)}</span> <a class="lst-seller" href="${esc(d.seller.url)}">${esc(d.seller.name)}</a><div class="seller__facts"><span class="lst-positive">${esc(d.seller.positive)}%</span> ${esc(t.Positive)} · <span class="lst-feedback">${esc(n(t.Feedback, d.seller.feedback))}</span> · <span class="lst-age">${esc(n(t.DaysHere, d.seller.age_days))}</span></div></div></aside>
  </div>
 </div>
 <section class="panel"><h2>${esc(t.Description)}</h2><p class="lst-text">${esc(d.description)}</p></section>
 <section class="panel"><h2>${esc(t.Details)}</h2><table class="details"><tr><th>${esc(t.ItemNo)}</th><td class="lst-id">${esc(d.item_id)}</td></tr>${d.brand ? `<tr><th>${esc(t.Brand)}</th><td class="lst-brand">${esc(d.brand)}</td></tr>` : ""}${d.model ? `<tr><th>${esc(t.Model)}</th><td class="lst-model">${esc(d.model)}</td></tr>` : ""}</table></section>`;
    app.dataset.ready = "1";
    wake(app);
  };

  const app = document.getElementById("app");
  if (app && window.__PRELOADED_STATE__) {
    draw(app, window.__PRELOADED_STATE__.item);
  } else if (app) {
    app.innerHTML = `<div class="skeleton"></div>`;
    fetch("/api/item/" + app.dataset.item + ".json", {headers: {"X-Requested-With": "fetch"}})
      .then(r => { if (!r.ok) throw new Error("status " + r.status); return r.json(); })
      .then(d => draw(app, d))
      .catch(() => { app.innerHTML = `<p class="note" id="app-failed">This page could not be loaded. Try again.</p>`; });
  }

  const wall = document.getElementById("cookie-wall");
  if (wall) {
    document.body.style.overflow = "hidden";
    document.getElementById("cookie-accept").addEventListener("click", () => {
      document.cookie = "consent=1; path=/; max-age=31536000; SameSite=Lax";
      document.body.style.overflow = "";
      wall.remove();
    });
  }
  wake(document);
})();
