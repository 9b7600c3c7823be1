package keypolicy

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// A node is a JSON value: string, number (as written), bool, []node's elements, or an object in
// order.
type node struct {
	kind    jsontext.Kind
	text    string // of a string or number; "true" or "false" of a bool
	members []member
	items   []node
}

type member struct {
	name  string
	value node
}

// decode reads exactly one JSON object. Duplicate names, invalid UTF-8, trailing data and deep
// nesting are refused: two parsers that pick different duplicates would judge different policies.
func decode(src []byte) (node, error) {
	if len(src) > MaxSize {
		return node{}, fmt.Errorf("policy has %d bytes, at most %d are allowed", len(src), MaxSize)
	}
	dec := jsontext.NewDecoder(bytes.NewReader(src))
	root, err := readNode(dec, 0)
	if err != nil {
		return node{}, fmt.Errorf("malformed JSON: %w", err)
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return node{}, errors.New("malformed JSON: data after the policy")
	}
	if root.kind != jsontext.KindBeginObject {
		return node{}, errors.New("policy is not a JSON object")
	}
	return root, nil
}

func readNode(dec *jsontext.Decoder, depth int) (node, error) {
	if depth > maxDepth {
		return node{}, errors.New("nested too deeply")
	}
	tok, err := dec.ReadToken()
	if err != nil {
		return node{}, err
	}
	n := node{kind: tok.Kind()}
	switch n.kind {
	case jsontext.KindBeginObject:
		return readObject(dec, n, depth)
	case jsontext.KindBeginArray:
		for dec.PeekKind() != jsontext.KindEndArray {
			item, err := readNode(dec, depth+1)
			if err != nil {
				return node{}, err
			}
			n.items = append(n.items, item)
		}
		if _, err := dec.ReadToken(); err != nil {
			return node{}, err
		}
		return n, nil
	case jsontext.KindNull:
		return node{}, errors.New("null is not allowed")
	default:
		n.text = tok.String()
		return n, nil
	}
}

func readObject(dec *jsontext.Decoder, n node, depth int) (node, error) {
	for dec.PeekKind() != jsontext.KindEndObject {
		name, err := dec.ReadToken()
		if err != nil {
			return node{}, err
		}
		key := name.String() // the token is void after the next read
		value, err := readNode(dec, depth+1)
		if err != nil {
			return node{}, err
		}
		n.members = append(n.members, member{key, value})
	}
	if _, err := dec.ReadToken(); err != nil {
		return node{}, err
	}
	return n, nil
}

// strings gives a string, or an array of at least one string.
func (n node) strings() ([]string, error) {
	switch n.kind {
	case jsontext.KindString:
		return []string{n.text}, nil
	case jsontext.KindBeginArray:
		if len(n.items) == 0 {
			// An empty list matches nothing: a Deny that names no action would look like
			// protection.
			return nil, errors.New("empty list")
		}
		list := make([]string, 0, len(n.items))
		for _, item := range n.items {
			if item.kind != jsontext.KindString {
				return nil, errors.New("not a string")
			}
			list = append(list, item.text)
		}
		return list, nil
	default:
		return nil, errors.New("not a string or a list of strings")
	}
}

// scalars is strings that lets numbers and booleans through, as condition values may be.
func (n node) scalars() ([]string, error) {
	switch n.kind {
	case jsontext.KindString, jsontext.KindNumber, jsontext.KindTrue, jsontext.KindFalse:
		return []string{n.text}, nil
	case jsontext.KindBeginArray:
		if len(n.items) == 0 {
			return nil, errors.New("empty list")
		}
		list := make([]string, 0, len(n.items))
		for _, item := range n.items {
			if item.kind == jsontext.KindBeginArray || item.kind == jsontext.KindBeginObject {
				return nil, errors.New("not a string, number or boolean")
			}
			list = append(list, item.text)
		}
		return list, nil
	default:
		return nil, errors.New("not a string, number or boolean")
	}
}
