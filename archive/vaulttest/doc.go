// Package vaulttest is the suite that every vault passes, real storages
// included:
//
//	func TestVault(t *testing.T) {
//		vaulttest.Run(t, func(t *testing.T) vaulttest.Target { ... })
//	}
//
// It holds the promises of package vault one by one. What a target cannot do
// (reach past the interface, break) is skipped with a reason, never passed.
package vaulttest
