package devkms

import (
	"regexp"
	"slices"
	"strings"
)

var aliasPattern = regexp.MustCompile(`^alias/[a-zA-Z0-9/_-]{1,250}$`)

type aliasInput struct {
	AliasName   string
	TargetKeyId string
}

func checkAlias(name string) error {
	if !aliasPattern.MatchString(name) || strings.HasPrefix(name, "alias/aws/") {
		return &Error{Type: "InvalidAliasNameException", Message: "the alias name is not valid"}
	}
	return nil
}

// createAlias needs the key's leave: an alias can redirect whoever uses keys by name.
func (s *Server) createAlias(c *call) (Answer, error) {
	in, err := parse[aliasInput](c)
	if err != nil {
		return nil, err
	}
	c.event.request("aliasName", in.AliasName)
	c.event.request("targetKeyId", in.TargetKeyId)
	if err := s.ownAccount(c); err != nil {
		return nil, err
	}
	if err := checkAlias(in.AliasName); err != nil {
		return nil, err
	}
	t, err := s.resolve(c, in.TargetKeyId)
	if err != nil {
		return nil, err
	}
	if t.alias != "" {
		return nil, validation("TargetKeyId must be a key, not an alias")
	}
	if err := s.authorize(c, t, use{}); err != nil {
		return nil, err
	}
	return done(s.store.update(func(st *state) error {
		if st.Aliases[in.AliasName] != nil {
			return &Error{Type: "AlreadyExistsException", Message: "the alias exists already"}
		}
		st.Aliases[in.AliasName] = &alias{KeyID: t.key.ID, Created: c.time.UTC()}
		return nil
	}))
}

func (s *Server) deleteAlias(c *call) (Answer, error) {
	in, err := parse[aliasInput](c)
	if err != nil {
		return nil, err
	}
	c.event.request("aliasName", in.AliasName)
	if err := s.ownAccount(c); err != nil {
		return nil, err
	}
	if err := checkAlias(in.AliasName); err != nil {
		return nil, err
	}
	t, err := s.resolve(c, in.AliasName)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(c, &target{key: t.key}, use{}); err != nil {
		return nil, err
	}
	return done(s.store.update(func(st *state) error {
		if a := st.Aliases[in.AliasName]; a == nil || a.KeyID != t.key.ID {
			return notFound("the alias was changed meanwhile") // authorized for another key
		}
		delete(st.Aliases, in.AliasName)
		return nil
	}))
}

func (s *Server) listAliases(c *call) (Answer, error) {
	in, err := parse[listInput](c)
	if err != nil {
		return nil, err
	}
	if err := s.ownAccount(c); err != nil {
		return nil, err
	}
	var only string
	if in.KeyId != "" {
		t, err := s.resolve(c, in.KeyId)
		if err != nil {
			return nil, err
		}
		only = t.key.ID
	}
	names, aliases := s.store.aliases()
	if only != "" {
		names = slices.DeleteFunc(names, func(n string) bool { return aliases[n].KeyID != only })
	}
	names, a, err := page(in, names, func(n string) string { return n })
	if err != nil {
		return nil, err
	}
	list := []map[string]any{}
	for _, name := range names {
		seconds := float64(aliases[name].Created.UnixMilli()) / 1000
		list = append(list, map[string]any{
			"AliasName": name, "AliasArn": s.arnPrefix() + name, "TargetKeyId": aliases[name].KeyID,
			"CreationDate": seconds, "LastUpdatedDate": seconds,
		})
	}
	a["Aliases"] = list
	return a, nil
}
