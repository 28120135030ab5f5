package shard

// NamespaceImage is a namespace and all its shards, for snapshots.
type NamespaceImage struct {
	Name     string `cbor:"1,keyasint"`
	Spec     Spec   `cbor:"2,keyasint"`
	Version  uint64 `cbor:"3,keyasint"`
	Deleting bool   `cbor:"4,keyasint,omitempty"`
	// Runs are the shards in the order of ids; neighbours that are equal share
	// one run.
	Runs []Run `cbor:"5,keyasint"`
}

// Run is a number of equal shards.
type Run struct {
	Count uint32 `cbor:"1,keyasint"`
	Shard Shard  `cbor:"2,keyasint"`
}

// EndedImage is what is kept of deleted namespaces.
type EndedImage struct {
	Floor    uint64         `cbor:"1,keyasint,omitempty"`
	Versions []EndedVersion `cbor:"2,keyasint,omitempty"`
}

// EndedVersion is the highest version that a name had.
type EndedVersion struct {
	Name    string `cbor:"1,keyasint"`
	Version uint64 `cbor:"2,keyasint"`
}

// Ended is what is kept of deleted namespaces, in the order of names.
func (s *State) Ended() EndedImage {
	im := EndedImage{Floor: s.floor}
	s.ended.Scan(func(name string, version uint64) bool {
		im.Versions = append(im.Versions, EndedVersion{name, version})
		return true
	})
	return im
}

// Image is all namespaces in the order of names.
func (s *State) Image() []NamespaceImage {
	var images []NamespaceImage
	s.EachNamespace(func(ns *Namespace) bool {
		im := NamespaceImage{Name: ns.Name, Spec: ns.Spec, Version: ns.Version, Deleting: ns.Deleting}
		ns.Each(func(_ uint32, sh *Shard) bool {
			if n := len(im.Runs); n > 0 && im.Runs[n-1].Shard == *sh {
				im.Runs[n-1].Count++
			} else {
				im.Runs = append(im.Runs, Run{Count: 1, Shard: *sh})
			}
			return true
		})
		images = append(images, im)
		return true
	})
	return images
}

// Rule is when shards are quarantined.
func (s *State) Rule() Quarantine { return s.quarantine }

// FromImage is the state that had these images, and this rule of quarantine.
func FromImage(images []NamespaceImage, ended EndedImage, rule Quarantine) *State {
	s := NewState()
	s.quarantine = rule
	s.floor = ended.Floor
	for _, one := range ended.Versions {
		s.ended.Set(one.Name, one.Version)
	}
	for _, im := range images {
		ns := &Namespace{Name: im.Name, Spec: im.Spec, Version: im.Version, Deleting: im.Deleting, token: s.token}
		ns.Spec.ShardCount = 0
		ns.grow(im.Spec.ShardCount)
		id := uint32(0)
		for _, run := range im.Runs {
			for range run.Count {
				ns.edit(id, func(sh *Shard) { *sh = run.Shard })
				ns.Shard(id).Version = run.Shard.Version
				id++
			}
		}
		s.put(ns)
	}
	return s
}
