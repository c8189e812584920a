package vault

import "bytes"

// What follows is no part of Vault: it is what a hand with the storage's own
// credentials, or a failing disk, can do past it. Tests use it to see that it
// is noticed.

// Overwrite puts a newer version over an object, locked or not, as a plain S3
// PUT would, and gives its version.
func (m *Mem) Overwrite(key string, b []byte) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.add(key, "application/octet-stream", bytes.Clone(b)).info.Version
}

// Hide puts a delete marker over an object, locked or not, as a plain S3
// DELETE would.
func (m *Mem) Hide(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.add(key, "", nil).marker = true
}

// Corrupt changes stored bytes where they lie, in all versions of a key, and
// leaves everything the storage tells about them as it was. It reports whether
// there was anything to change.
func (m *Mem) Corrupt(key string, change func([]byte) []byte) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := false
	for _, v := range m.objects[key] {
		if !v.marker {
			v.bytes, found = change(bytes.Clone(v.bytes)), true
		}
	}
	return found
}

// Len is the number of versions kept, delete markers included.
func (m *Mem) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, vs := range m.objects {
		n += len(vs)
	}
	return n
}
