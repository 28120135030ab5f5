package jsfile

import "testing"

// FuzzParse: whatever the bytes are, a record that is taken is within them.
func FuzzParse(f *testing.F) {
	whole := recordOf(f, stream, 1, 7, []byte("payload"))
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add(append([]byte{1, 0, 0, 0x80}, whole[4:]...))
	f.Add(append([]byte{0xff, 0xff, 0xff, 0xff}, whole[4:]...))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := newDigester(stream, 1)
		if err != nil {
			t.Fatal(err)
		}
		r, problem := d.parse(b)
		if problem == "" && (r.length < recordLeast || r.length > len(b) || len(r.payload) > r.length-recordLeast) {
			t.Errorf("a record of %d bytes, with a payload of %d, in %d", r.length, len(r.payload), len(b))
		}
		d.laterRecord(b, 0)
	})
}
