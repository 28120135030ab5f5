package model

import (
	"crypto/sha256"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/control"
	"github.com/omnirelay/omnirelay/commands/leadership"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/policy"
	"github.com/omnirelay/omnirelay/commands/schedule"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
)

// image is the model as it is written to a snapshot.
type image struct {
	Position   events.Position        `cbor:"1,keyasint"`
	Time       int64                  `cbor:"2,keyasint"`
	Unknown    events.Position        `cbor:"3,keyasint,omitempty"`
	Control    control.State          `cbor:"4,keyasint"`
	Policies   []policy.Policy        `cbor:"5,keyasint"`
	Nodes      []membership.Node      `cbor:"6,keyasint"`
	Scopes     []leadership.Scope     `cbor:"7,keyasint"`
	Namespaces []shard.NamespaceImage `cbor:"8,keyasint"`
	Keys       []keyImage             `cbor:"9,keyasint"`
	Ended      shard.EndedImage       `cbor:"10,keyasint"`
	Schedules  []schedule.Schedule    `cbor:"11,keyasint"`
	Quarantine shard.Quarantine       `cbor:"12,keyasint"`
	Floor      uint64                 `cbor:"14,keyasint,omitempty"` // of policies
}

type keyImage struct {
	Key   commands.Key    `cbor:"1,keyasint"`
	Actor string          `cbor:"2,keyasint"`
	Hash  events.Hash     `cbor:"3,keyasint"`
	Last  events.Position `cbor:"4,keyasint"`
	Time  int64           `cbor:"5,keyasint"`
}

// Image encodes the whole model by the core deterministic encoding of RFC 8949
// §4.2: equal models have equal bytes on every machine (T2).
func (m *Model) Image() ([]byte, error) {
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		return nil, fmt.Errorf("model image: %w", err)
	}
	b, err := mode.Marshal(image{
		Position: m.Position, Time: m.Time, Unknown: m.Unknown, Control: m.Control,
		Policies: m.Policy.Image(), Nodes: m.Membership.Image(), Scopes: m.Leadership.Image(),
		Namespaces: m.Shard.Image(), Keys: m.keys.image(), Ended: m.Shard.Ended(),
		Schedules: m.Schedule.Image(), Quarantine: m.Shard.Rule(), Floor: m.Policy.Floor(),
	})
	if err != nil {
		return nil, fmt.Errorf("model image: %w", err)
	}
	return b, nil
}

// FromImage returns the model that had this image.
func FromImage(b []byte) (*Model, error) {
	mode, err := cbor.DecOptions{MaxArrayElements: 1 << 27}.DecMode()
	if err != nil {
		return nil, fmt.Errorf("model image: %w", err)
	}
	var im image
	if err := mode.Unmarshal(b, &im); err != nil {
		return nil, fmt.Errorf("model image: %w", err)
	}
	m := &Model{
		Control: im.Control, Policy: policy.FromImage(im.Policies, im.Floor), Membership: membership.FromImage(im.Nodes),
		Leadership: leadership.FromImage(im.Scopes), Shard: shard.FromImage(im.Namespaces, im.Ended, im.Quarantine),
		Schedule: schedule.FromImage(im.Schedules),
		Position: im.Position, Time: im.Time, Unknown: im.Unknown, keys: keys{token: &token{}},
	}
	for _, k := range im.Keys {
		m.keys.put(k.Key, k.Actor, effect{Hash: k.Hash, Last: k.Last, Time: k.Time})
	}
	return m, nil
}

// Hash is the SHA-256 of the image.
func (m *Model) Hash() (events.Hash, error) {
	b, err := m.Image()
	return sha256.Sum256(b), err
}

func (k *keys) image() []keyImage {
	images := make([]keyImage, 0, k.total)
	k.buckets.Scan(func(_ int64, b *bucket) bool {
		b.entries.Scan(func(id string, e effect) bool {
			im := keyImage{Actor: id[len(commands.Key{}):], Hash: e.Hash, Last: e.Last, Time: e.Time}
			copy(im.Key[:], id)
			images = append(images, im)
			return true
		})
		return true
	})
	return images
}
