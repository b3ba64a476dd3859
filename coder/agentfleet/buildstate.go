package agentfleet

import (
	"encoding/json"

	"github.com/google/uuid"
)

// stateTokens reads the tokens of agents out of Terraform's state, version 4.
func stateTokens(state []byte) (map[uuid.UUID]Token, error) {
	var s struct {
		Resources []struct {
			Type      string          `json:"type"`
			Instances json.RawMessage `json:"instances"` // attributes differ from type to type
		} `json:"resources"`
	}
	if json.Unmarshal(state, &s) != nil {
		return nil, errState
	}
	tokens := map[uuid.UUID]Token{}
	for _, r := range s.Resources {
		if r.Type != "coder_agent" || len(r.Instances) == 0 {
			continue
		}
		var instances []struct {
			Attributes struct {
				ID    string `json:"id"`
				Token string `json:"token"`
			} `json:"attributes"`
		}
		if json.Unmarshal(r.Instances, &instances) != nil {
			return nil, errState
		}
		for _, i := range instances {
			if id, err := uuid.Parse(i.Attributes.ID); err == nil && i.Attributes.Token != "" {
				tokens[id] = NewToken(i.Attributes.Token)
			}
		}
	}
	return tokens, nil
}
