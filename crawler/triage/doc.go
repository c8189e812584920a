// Package triage says what speaks for and against one listing being an
// infringement of one brand: listing, history and brand profile in, signals
// out. Suspicious listings become findings; a person decides.
//
// It is pure: no I/O, no clock, no randomness. The same subject and the same
// profile give the same assessment, byte for byte, whenever it is computed.
//
// Invariants:
//   - Nothing counts before the brand gate: a word list without it fires on
//     every fifth listing of a marketplace.
//   - Every point is a Signal with a sentence that holds its numbers, and,
//     where it was read from text, the field and the bytes of it.
//   - What could not be computed is Unknown with its reason, never false.
//   - A listing needs signals of two families to be suspicious; caps are named.
//   - An authorised seller is legitimate, whatever else is said (rule 0).
//   - What the seller or the marketplace says in favour of the seller (badges,
//     "100 % authentic") never takes points away.
//   - Time and memory are bounded whatever the text holds: texts are read up
//     to a stated length, and what was not read is in Unknown.
//   - Folded or skeleton text is for comparing only. It is never shown.
//
// What is not scored, as a matter of policy: the quality of the language, the
// nationality or the name of a person, a way of payment by itself. The country
// a listing ships from only adds to what another signal says.
//
// An assessment is of what the listing says and shows. It is a lead, not a
// finding that goods are counterfeit.
package triage
