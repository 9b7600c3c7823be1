package keylint

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// SARIF 2.1.0 (OASIS), as far as findings need it.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool    sarifTool     `json:"tool"`
		Results []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name  string      `json:"name"`
		Rules []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               string    `json:"id"`
		ShortDescription sarifText `json:"shortDescription"`
		FullDescription  sarifText `json:"fullDescription"`
		Help             sarifText `json:"help"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID     string            `json:"ruleId"`
		Level      string            `json:"level"`
		Message    sarifText         `json:"message"`
		Locations  []sarifLocation   `json:"locations"`
		Properties map[string]string `json:"properties"`
	}
	sarifLocation struct {
		Physical sarifPhysical  `json:"physicalLocation"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifPhysical struct {
		Artifact struct {
			URI string `json:"uri"`
		} `json:"artifactLocation"`
		Region struct {
			StartLine int `json:"startLine"`
		} `json:"region"`
	}
	sarifLogical struct {
		Name string `json:"name"`
	}
)

// levels are SARIF's words for severities.
var levels = map[Severity]string{Low: "note", Medium: "warning", High: "error", Critical: "error"}

// SARIF returns the findings about the policy in source, a file of that name or the ARN of a key,
// to be encoded as JSON.
func SARIF(name string, source []byte, findings []Finding) any {
	run := sarifRun{Tool: sarifTool{sarifDriver{Name: "anchorhold key-policy lint"}}, Results: []sarifResult{}}
	for _, id := range slices.Sorted(maps.Keys(rules)) {
		r := rules[id]
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{id, sarifText{r.says}, sarifText{r.attack}, sarifText{r.fix}})
	}
	lines := statementLines(source)
	for _, f := range findings {
		var at sarifLocation
		at.Physical.Artifact.URI, at.Physical.Region.StartLine = name, 1
		if f.Statement >= 0 {
			if f.Statement < len(lines) {
				at.Physical.Region.StartLine = lines[f.Statement]
			}
			if f.Sid != "" {
				at.Logical = []sarifLogical{{f.Sid}}
			}
		}
		about := ""
		if len(f.Operations) > 0 {
			about = " (" + strings.Join(f.Operations, ", ") + ")"
		}
		run.Results = append(run.Results, sarifResult{
			RuleID: f.Rule, Level: levels[f.Severity], Message: sarifText{f.Says + about + ": " + f.Attack + ". Fix: " + f.Fix}, Locations: []sarifLocation{at},
			Properties: map[string]string{"severity": f.Severity.String()},
		})
	}
	return sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}}
}

// statementLines gives the line on which each statement begins; none for what is no policy.
func statementLines(source []byte) []int {
	dec := jsontext.NewDecoder(bytes.NewReader(source))
	for {
		tok, err := dec.ReadToken()
		if err != nil {
			return nil
		}
		if dec.StackDepth() == 1 && tok.Kind() == jsontext.KindString && tok.String() == "Statement" {
			break
		}
	}
	var lines []int
	if dec.PeekKind() == jsontext.KindBeginArray {
		if _, err := dec.ReadToken(); err != nil {
			return nil
		}
	}
	for dec.PeekKind() == jsontext.KindBeginObject {
		start := dec.InputOffset()
		value, err := dec.ReadValue()
		if err != nil {
			return lines
		}
		begin := start + int64(bytes.Index(source[start:], value[:1]))
		lines = append(lines, 1+bytes.Count(source[:begin], []byte("\n")))
	}
	return lines
}
