package ledger

// Reclaim is what Reconcile does with one job that it found late.
var Reclaim = (*Ledger).reclaim
