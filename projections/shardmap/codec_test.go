package shardmap

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// full returns a row with every field set, by reflection, so that a field that
// is added to the message and forgotten here is found.
func full() *controlv1.ShardRecord {
	r := &controlv1.ShardRecord{}
	m := r.ProtoReflect()
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		switch kind := fd.Kind(); {
		case fd.IsList():
			m.Mutable(fd).List().Append(protoreflect.ValueOfString("a"))
			m.Mutable(fd).List().Append(protoreflect.ValueOfString("b"))
			continue
		case kind == protoreflect.BoolKind:
			m.Set(fd, protoreflect.ValueOfBool(true))
			continue
		}
		switch fd.Kind() {
		case protoreflect.StringKind:
			m.Set(fd, protoreflect.ValueOfString(string(fd.Name())))
		case protoreflect.Int64Kind:
			m.Set(fd, protoreflect.ValueOfInt64(1<<40+int64(i)))
		case protoreflect.Uint32Kind:
			m.Set(fd, protoreflect.ValueOfUint32(uint32(600_000+i)))
		case protoreflect.DoubleKind:
			m.Set(fd, protoreflect.ValueOfFloat64(1.5))
		case protoreflect.BoolKind:
			m.Set(fd, protoreflect.ValueOfBool(true))
		case protoreflect.EnumKind:
			m.Set(fd, protoreflect.ValueOfEnum(2))
		case protoreflect.MessageKind:
			m.Set(fd, protoreflect.ValueOfMessage((&timestamppb.Timestamp{Seconds: 1_700_000_000 + int64(i), Nanos: int32(i)}).ProtoReflect()))
		default:
			panic("a kind of field that this test does not set: " + fd.Kind().String())
		}
	}
	return r
}

func TestEncodingIsTheWire(t *testing.T) {
	negative := full()
	negative.UpdatedAt = &timestamppb.Timestamp{Seconds: -5, Nanos: 3}
	for name, r := range map[string]*controlv1.ShardRecord{"full": full(), "empty": {}, "negative time": negative} {
		want, err := proto.MarshalOptions{Deterministic: true}.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Codec{}.Append(nil, r)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: encoded as\n%x (%v), proto.Marshal as\n%x", name, got, err, want)
		}
	}
}

// A row that was sealed is encoded as any other.
func TestSealedRowsAreEncodedAlike(t *testing.T) {
	var last sealed
	for name, r := range map[string]*controlv1.ShardRecord{"full": full(), "empty": {}} {
		r.Checksum = last.seal(r)
		want, _ := Codec{}.Append(nil, r)
		got, err := sealedCodec{last: &last}.Append([]byte("before"), r)
		if err != nil || string(got) != "before"+string(want) {
			t.Errorf("%s: sealed %x (%v), else %x", name, got, err, want)
		}
		other := &controlv1.ShardRecord{Namespace: "other", Checksum: "c"}
		want, _ = Codec{}.Append(nil, other)
		if got, err := (sealedCodec{last: &last}).Append(nil, other); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: a row that was not sealed is %x (%v), want %x", name, got, err, want)
		}
	}
}

func TestCloneIsComplete(t *testing.T) {
	r := full()
	if c := clone(r); !proto.Equal(c, r) {
		t.Errorf("clone is %v, want %v", c, r)
	}
}

// TestChecksumCoversAllButItself: S4.
func TestChecksumCoversAllButItself(t *testing.T) {
	sum := new(sealed).seal(full())
	m := full().ProtoReflect()
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		r := full()
		r.ProtoReflect().Clear(fields.Get(i))
		got := new(sealed).seal(r)
		if same, want := got == sum, fields.Get(i).Name() == "checksum"; same != want {
			t.Errorf("without %s the checksum is the same: %v, want %v", fields.Get(i).Name(), same, want)
		}
	}
	if len(sum) != 16 {
		t.Errorf("checksum %q has %d digits, want 16", sum, len(sum))
	}
}
