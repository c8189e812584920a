package custody

import (
	"context"
	"fmt"

	"golang.org/x/mod/sumdb/note"
)

// Details of a key_rotated event: verifier keys.
const (
	DetailOldKey = "old_key"
	DetailNewKey = "new_key"
)

// Rotated records that this log signs with a new key from now on, and
// publishes a checkpoint that carries the signatures of both. Open the Log
// with the keys that Keys.Rotate gave; call again after an error.
func (l *Log) Rotated(ctx context.Context, actor string, k Keys) (Receipt, Checkpoint, error) {
	public, err := k.Public()
	if err != nil {
		return Receipt{}, Checkpoint{}, err
	}
	if len(public) != 2 || len(l.cfg.CoSigners) != 1 {
		return Receipt{}, Checkpoint{}, fmt.Errorf("a rotation needs a log that signs with a new key and its old one")
	}
	signer, err := note.NewVerifier(public[0])
	if err != nil || signer.KeyHash() != l.cfg.Signer.KeyHash() {
		return Receipt{}, Checkpoint{}, fmt.Errorf("the log does not sign with the new key of this rotation")
	}
	e := Event{
		Type: KeyRotated, Actor: actor, Subject: Subject{Log: l.cfg.Origin},
		Details: map[string]string{DetailNewKey: public[0], DetailOldKey: public[1]},
	}
	// The event is one per rotation, however often this is called.
	rows, err := l.About(ctx, e.Subject)
	if err != nil {
		return Receipt{}, Checkpoint{}, err
	}
	for _, r := range rows {
		old, _, err := l.Event(ctx, r.ID)
		if err == nil && old.Details[DetailNewKey] == public[0] {
			e = old
		}
	}
	receipt, err := l.Append(ctx, e, Keep{})
	if err != nil {
		return Receipt{}, Checkpoint{}, err
	}
	c, err := l.Sequence(ctx)
	return receipt, c, err
}

// VerifyRotation checks a key_rotated event and its proof by the keys known so
// far, and gives the new verifier key: a chain of them leads from the key in a
// trust file to the newest. The new key must have signed the checkpoint too.
func VerifyRotation(doc, proof []byte, known note.Verifiers) (vkey string, err error) {
	e, err := ParseEvent(doc)
	if err != nil {
		return "", err
	}
	entry, err := e.Entry()
	if err != nil {
		return "", err
	}
	c, err := Verified(proof, entry, known)
	if err != nil {
		return "", err
	}
	oldKey, err1 := note.NewVerifier(e.Details[DetailOldKey])
	newKey, err2 := note.NewVerifier(e.Details[DetailNewKey])
	if e.Type != KeyRotated || err1 != nil || err2 != nil {
		return "", fmt.Errorf("%w: it is no rotation of keys", ErrEvent)
	}
	if e.Subject.Log != c.Origin || oldKey.Name() != c.Origin || newKey.Name() != c.Origin {
		return "", fmt.Errorf("%w: it is a rotation of another log's keys", ErrEvent)
	}
	for _, v := range []note.Verifier{oldKey, newKey} {
		if _, err := ParseCheckpoint(c.Signed, note.VerifierList(v)); err != nil {
			return "", fmt.Errorf("the checkpoint of the rotation is not signed by both keys: %w", err)
		}
	}
	if _, err := known.Verifier(oldKey.Name(), oldKey.KeyHash()); err != nil {
		return "", fmt.Errorf("the key that was replaced is not a trusted one: %w", err)
	}
	return e.Details[DetailNewKey], nil
}
