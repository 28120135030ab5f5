package render

import (
	"fmt"

	"gopkg.in/yaml.v3"
)

// yaml writes a JSON document as YAML. JSON is YAML, so it is read as that,
// which keeps the order of the fields, and written in YAML's own style.
func (o Output) yaml(document []byte) error {
	var node yaml.Node
	if err := yaml.Unmarshal(document, &node); err != nil {
		return fmt.Errorf("render: YAML: %w", err)
	}
	plain(&node)
	encoder := yaml.NewEncoder(o.W)
	encoder.SetIndent(2)
	if err := encoder.Encode(&node); err != nil {
		return fmt.Errorf("render: YAML: %w", err)
	}
	return encoder.Close()
}

// plain drops JSON's style: braces, and quotes where none are needed.
func plain(node *yaml.Node) {
	if node.Kind == yaml.ScalarNode || len(node.Content) > 0 {
		node.Style = 0
	}
	for _, child := range node.Content {
		plain(child)
	}
}
