// Package score turns the assessment of a suspicious listing into a score and
// reasons: by the built-in model, or by an external service over HTTP.
//
// Invariants:
//   - A score is 0 to 1 and comes with the reasons it is made of.
//   - The built-in model is a sum: each reason's share adds up to the score, so
//     a person can follow it, and the same assessment gives the same score.
//   - What an external scorer answers is checked before it is believed; what
//     cannot be believed is an error, never a score.
//   - Scores are leads. They are never part of the sealed evidence.
package score
