package membership

import (
	"maps"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/placement"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// Descriptor is what a node says of itself. Labels are never written to once
// the descriptor is part of a state.
type Descriptor struct {
	NodeID       string            `cbor:"1,keyasint"`
	Role         string            `cbor:"2,keyasint"`
	ClusterID    string            `cbor:"3,keyasint"`
	Region       string            `cbor:"4,keyasint,omitempty"`
	Zone         string            `cbor:"5,keyasint,omitempty"`
	Weight       float64           `cbor:"6,keyasint"`
	Labels       map[string]string `cbor:"7,keyasint,omitempty"`
	MeshVersion  string            `cbor:"8,keyasint,omitempty"`
	HTTP3Support bool              `cbor:"9,keyasint,omitempty"`
}

// Check refuses a descriptor with a field that is out of bounds.
func (d Descriptor) Check() error {
	for _, f := range []struct {
		name, value string
		optional    bool
	}{
		{"nodeId", d.NodeID, false}, {"role", d.Role, false}, {"clusterId", d.ClusterID, true},
		{"region", d.Region, true}, {"zone", d.Zone, true},
	} {
		if f.optional && f.value == "" {
			continue
		}
		if err := commands.CheckName(f.name, f.value); err != nil {
			return err
		}
	}
	if err := commands.CheckText("meshVersion", d.MeshVersion, commands.MaxName); err != nil {
		return err
	}
	if err := checkWeight(d.Weight); err != nil {
		return err
	}
	return commands.CheckLabels("labels", d.Labels)
}

func checkWeight(w float64) error {
	if _, err := placement.WeightOf(w); err != nil {
		return commands.BadField("weight", "0.001 to 100", "is %v", w)
	}
	return nil
}

func (d Descriptor) equal(o Descriptor) bool {
	return d.NodeID == o.NodeID && d.Role == o.Role && d.ClusterID == o.ClusterID &&
		d.Region == o.Region && d.Zone == o.Zone && d.Weight == o.Weight &&
		d.MeshVersion == o.MeshVersion && d.HTTP3Support == o.HTTP3Support && maps.Equal(d.Labels, o.Labels)
}

func (d Descriptor) proto() *eventsv1.NodeDescriptor {
	return &eventsv1.NodeDescriptor{
		NodeId: d.NodeID, Role: d.Role, ClusterId: d.ClusterID, Region: d.Region, Zone: d.Zone,
		Weight: d.Weight, Labels: d.Labels, MeshVersion: d.MeshVersion, Http3Support: d.HTTP3Support,
	}
}

func fromProto(p *eventsv1.NodeDescriptor) Descriptor {
	return Descriptor{
		NodeID: p.GetNodeId(), Role: p.GetRole(), ClusterID: p.GetClusterId(), Region: p.GetRegion(), Zone: p.GetZone(),
		Weight: p.GetWeight(), Labels: p.GetLabels(), MeshVersion: p.GetMeshVersion(), HTTP3Support: p.GetHttp3Support(),
	}
}
