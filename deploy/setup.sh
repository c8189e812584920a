#!/bin/sh
# Installs what trawlmark needs and the machine lacks, by the system's package
# manager, and says what it does. Usage: deploy/setup.sh run|test
#   run   what the demo and a worker need: Chromium, redis-server, fonts
#   test  the same, and what the tests check against: PostgreSQL, openssl,
#         Node.js with the independent readers of our formats (into .npm/, and
#         one in Go's module cache)
# Working a second time costs nothing: what is there is left alone. A test looks
# at what it decides on Debian, Ubuntu and others (setup_test.go of
# cmd/trawlmark), with programs that only write down what they were asked for and
# a folder in the place of / (SETUP_ROOT).
set -eu
what=${1:-run}
root=${SETUP_ROOT:-}
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*"; }
have() { command -v "$1" >/dev/null 2>&1; }
fail() { printf 'setup: %s\n' "$*" >&2; missing=1; }
missing=

# Where the program itself looks, cmd/internal/embedded/chrome.go: what it does
# not find is not there. Ubuntu's chromium is a snap, which it does not run.
have_chrome() {
    [ -n "${TRAWLMARK_CHROME:-}" ] && return 0
    for f in /usr/lib/chromium/chromium-headless-shell /headless-shell/headless-shell /usr/lib/chromium/chromium \
        /usr/lib64/chromium-browser/chromium-browser /usr/lib/chromium-browser/chromium-browser \
        /opt/google/chrome/chrome /opt/google/chrome-beta/chrome; do
        [ -x "$root$f" ] && return 0
    done
    return 1
}

# Which package has a Chrome that runs here, by what the package lists say and
# not by the system's name: Ubuntu's chromium-browser, and chromium where there
# is one, only install a snap; some of its relatives, and archives that people
# add, have a real one.
chrome_package() {
    # The headless shell starts four times faster; not every release has it.
    if apt-cache show chromium-headless-shell 2>/dev/null | grep -q '^Package:'; then
        echo chromium-headless-shell
    elif apt-cache show chromium 2>/dev/null | grep -q '^Package:' &&
        ! apt-cache show --no-all-versions chromium 2>/dev/null | grep -Eqi '^(Pre-Depends|Depends|Description[^:]*):.*snap'; then
        echo chromium
    elif [ "$(dpkg --print-architecture)" = amd64 ]; then
        echo google-chrome
    else
        echo none # Google has no Chrome for Linux on other processors
    fi
}
install_deb() { $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null; }

# Google's own package, which brings its own AppArmor profile and updates.
install_google_chrome() {
    have curl || install_deb curl || return 1
    deb=$(mktemp --suffix=.deb)
    ok=0
    curl -fsSL -o "$deb" https://dl.google.com/linux/direct/google-chrome-stable_current_amd64.deb &&
        chmod 644 "$deb" && install_deb "$deb" || ok=1 # 644: apt reads it as a user of its own
    rm -f "$deb"
    return $ok
}

have_fonts() { have fc-list && [ -n "$(fc-list :lang=zh file 2>/dev/null | head -n 1)" ] && [ -n "$(fc-list :lang=ar file 2>/dev/null | head -n 1)" ]; }
have_pg() { ls "$root"/usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }

# What is missing, as package names.
need=
[ -e "$root/etc/ssl/certs/ca-certificates.crt" ] || need="$need ca-certificates" # first: Chrome may be fetched
have_chrome || need="$need chromium"
have redis-server || need="$need redis-server"
have_fonts || need="$need fontconfig fonts-noto-core fonts-noto-cjk"
if [ "$what" = test ]; then
    have_pg || need="$need postgresql"
    have openssl || need="$need openssl"
    have node || need="$need nodejs"
    have npm || need="$need npm"
    have pdftotext || need="$need poppler-utils"
    have unzip || need="$need unzip"
    have git || need="$need git"
fi

if [ -z "$need" ]; then
    say "everything is there (Chromium, redis-server, fonts$([ "$what" = test ] && echo ', PostgreSQL, openssl, Node.js'))"
else
    sudo=
    if [ "$(id -u)" -ne 0 ]; then
        if have sudo; then sudo=sudo; else
            for p in $need; do fail "$p is missing: ask an administrator to run 'apt-get install $p'"; done
            exit 1
        fi
    fi
    if ! have apt-get; then
        for p in $need; do fail "$p is missing: install it with this system's package manager (it is not Debian or Ubuntu)"; done
        exit 1
    fi
    say "missing:$need"
    say "running apt-get update"
    $sudo apt-get update -qq || say "apt-get update failed; trying with the package lists that are there"
    for p in $need; do
        [ "$p" = chromium ] && p=$(chrome_package)
        [ "$p" = none ] || say "installing $p"
        case $p in
        none) fail "no Chromium that is not a snap is in the package lists, and Google has no Chrome for $(dpkg --print-architecture): install one and set TRAWLMARK_CHROME to its binary" ;;
        google-chrome) install_google_chrome ||
            fail "Chrome could not be installed: install Google Chrome or Chromium (not the snap) and set TRAWLMARK_CHROME to its binary" ;;
        *) install_deb --no-install-recommends "$p" ||
            fail "$p could not be installed: run 'apt-get install $p' and see what it says" ;;
        esac
    done
    [ -z "$missing" ] || exit 1
fi

if [ "$what" = test ]; then
    # Readers that are not ours. The folder is made by package name; nothing of it is in the tree.
    if [ ! -f .npm/done-1 ]; then
        say "installing the independent readers (npm: warcio, @harvard-lil/js-wacz, replaywebpage) into .npm/"
        mkdir -p .npm
        # warcio is pinned below the version js-wacz and replaywebpage would take: registries lag behind.
        echo '{"private":true,"dependencies":{"warcio":"2.4.11","@harvard-lil/js-wacz":"0.1.6","replaywebpage":"2.3.15"},"overrides":{"warcio":"2.4.11"}}' >.npm/package.json
        (cd .npm && npm install --no-audit --no-fund --loglevel=error >npm.log 2>&1) || {
            fail "the independent readers could not be installed by npm; its words are in .npm/npm.log"
            exit 1
        }
        : >.npm/done-1
    fi
    say "independent readers are in .npm/"

    # A reader of our log that is not ours is a Go module of its own, which nothing else fetches.
    torchwood=archive/custody/testdata/torchwood
    if (cd "$torchwood" && go mod download) >/dev/null 2>&1 ||
        (cd "$torchwood" && sleep 5 && go mod download); then
        say "the independent reader of the log (filippo.io/torchwood) is in Go's module cache"
    else
        say "the independent reader of the log (filippo.io/torchwood) could not be fetched: TestTorchwood fails where CI=true and is skipped elsewhere"
    fi
fi
