package model

import (
	"fmt"
	"reflect"

	"github.com/fxamacker/cbor/v2"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/control"
	"github.com/omnirelay/omnirelay/commands/leadership"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/policy"
	"github.com/omnirelay/omnirelay/commands/schedule"
	"github.com/omnirelay/omnirelay/commands/shard"
)

// Commands is one of every command that [Model.Decide] takes, each with no field
// set. A test finds those that are missing.
func Commands() []commands.Command {
	return []commands.Command{
		control.RecordHealing{}, control.ReplaceReplica{},
		control.Seal{},
		control.SettleEra{},
		control.StartEra{},
		control.Unseal{},
		leadership.Campaign{}, leadership.Elect{}, leadership.GrantControl{}, leadership.Resign{},
		membership.CancelDrain{}, membership.Drain{}, membership.FinishDrain{}, membership.Maintain{}, membership.StallDrain{},
		membership.CloseSession{}, membership.Cordon{}, membership.JoinServer{}, membership.Leave{},
		membership.LoseServer{}, membership.OpenSession{}, membership.ReturnServer{}, membership.Uncordon{}, membership.Update{},
		policy.CreateMaintenance{}, policy.DeleteMaintenance{}, policy.EndMaintenance{}, policy.SetQuarantine{}, policy.SetSession{},
		schedule.Create{}, schedule.Fire{}, schedule.Pause{}, schedule.Remove{}, schedule.Resume{},
		shard.AskRelease{}, shard.Assign{}, shard.CancelMoves{}, shard.Create{}, shard.Delete{}, shard.ExpireOwnership{}, shard.FailMoves{},
		shard.FinishDelete{}, shard.Move{}, shard.Pause{}, shard.PlaceReaders{}, shard.Rebalance{}, shard.Rebind{}, shard.Release{},
		shard.Resume{}, shard.Unquarantine{}, shard.Update{},
	}
}

// NewCommand returns the command of a name with no field set.
func NewCommand(name string) (commands.Command, bool) {
	for _, c := range Commands() {
		if c.CommandName() == name {
			return c, true
		}
	}
	return nil, false
}

// Wire is how a command is written for another server: CBOR (RFC 8949), by the
// names of its fields, without those that are not set. So servers of two
// releases understand each other as long as nobody uses what only one of them
// knows; what is used and not known is refused by [Wire.Decode], never left out.
//
// A field is therefore never renamed and never changes its type or meaning.
type Wire struct {
	enc   cbor.EncMode
	dec   cbor.DecMode
	forms map[string]form
}

// form of one type of command.
type form struct {
	// command is the type that deciders know, sparse the same struct with tags by
	// which a field that is not set is left out.
	command, sparse reflect.Type
}

// NewWire returns the wire form of all [Commands].
func NewWire() (*Wire, error) {
	enc, err := cbor.EncOptions{}.EncMode()
	if err != nil {
		return nil, fmt.Errorf("wire form of commands: %w", err)
	}
	dec, err := cbor.DecOptions{
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField, FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
		DupMapKey: cbor.DupMapKeyEnforcedAPF, MaxArrayElements: 1 << 22,
		// A text that is no UTF-8 is refused by the decider, in the words of its rule.
		UTF8: cbor.UTF8DecodeInvalid,
	}.DecMode()
	if err != nil {
		return nil, fmt.Errorf("wire form of commands: %w", err)
	}
	w := &Wire{enc: enc, dec: dec, forms: map[string]form{}}
	for _, c := range Commands() {
		t := reflect.TypeOf(c)
		w.forms[c.CommandName()] = form{command: t, sparse: sparse(t)}
	}
	return w, nil
}

// sparse is a struct type with omitempty on every field. Go converts between
// the two, since they differ in tags alone.
func sparse(t reflect.Type) reflect.Type {
	fields := make([]reflect.StructField, t.NumField())
	for i := range fields {
		f := t.Field(i)
		fields[i] = reflect.StructField{Name: f.Name, Type: f.Type, Tag: `cbor:",omitempty"`}
	}
	return reflect.StructOf(fields)
}

// Encode returns the name and the bytes of a command. The error is a rejection,
// as [Model.Decide] gives it, of what is no command.
func (w *Wire) Encode(cmd commands.Command) (name string, b []byte, err error) {
	name = cmd.CommandName()
	f, ok := w.forms[name]
	if v := reflect.ValueOf(cmd); ok && v.Type() == f.command {
		b, err = w.enc.Marshal(v.Convert(f.sparse).Interface())
		return name, b, err
	}
	return name, nil, unknownCommand(name)
}

// Decode returns the command that a name and bytes stand for. An error says that
// this release does not know the command, or not all that was said in it.
func (w *Wire) Decode(name string, b []byte) (commands.Command, error) {
	f, ok := w.forms[name]
	if !ok {
		return nil, unknownCommand(name)
	}
	v := reflect.New(f.command)
	if err := w.dec.Unmarshal(b, v.Interface()); err != nil {
		return nil, fmt.Errorf("decode %s: %w", name, err)
	}
	return v.Elem().Interface().(commands.Command), nil
}
