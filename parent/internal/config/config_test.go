package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"anchorhold/parent/internal/config"
)

const hex64 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

const least = `
tenants: [{name: clinic, token-sha256: [` + hex64 + `]}]
enclaves: [{name: e1, address: "unix:///run/e1.sock"}]
spool: /var/lib/anchorhold
`

func TestDefaults(t *testing.T) {
	c, err := config.Parse([]byte(least))
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "127.0.0.1:8080" || c.Credentials.Source != "imds" || c.Relay.Listen != "vsock://any:9102" || c.Events.Listen != "vsock://any:9104" {
		t.Errorf("got %+v, want loopback, imds and the well-known ports", c)
	}
	if l := c.Limits; l.Strangers != 64 || l.TenantConnections != 448 {
		t.Errorf("got %d connections for strangers and %d for the tenant, want 64 and 448 of 512", l.Strangers, l.TenantConnections)
	}
	if got, want := c.Limits.Retention.D(), 72*time.Hour; got != want {
		t.Errorf("retention: got %s, want %s", got, want)
	}
}

func TestWholeFile(t *testing.T) {
	c, err := config.Parse([]byte(least + `
listen: 0.0.0.0:8443
tls: {cert: /etc/c.pem, key: /etc/k.pem}
limits: {job-bytes: 1GiB, spool-bytes: 2 GiB, wait: 30s}
relay: {listen: "unix:///run/r.sock", dial: {"kms.us-east-1.anchorhold.test:443": "127.0.0.1:4566"}, hosts: [kms-fips.us-east-1.amazonaws.com]}
credentials: {listen: "unix:///run/c.sock", source: file, file: /etc/aws.json, region: us-gov-west-1}
metrics: {token-sha256: [` + strings.Repeat("0", 64) + `]}
`))
	if err != nil {
		t.Fatal(err)
	}
	if c.Events.Listen != "" {
		t.Errorf("events.listen: got %q without vsock, want none", c.Events.Listen)
	}
	if c.Limits.JobBytes != 1<<30 || c.Limits.SpoolBytes != 2<<30 || c.Limits.Wait.D() != 30*time.Second {
		t.Errorf("got limits %+v", c.Limits)
	}
}

// Each fault alone must be found, with what was expected.
func TestFaults(t *testing.T) {
	for name, tc := range map[string]struct{ src, want string }{
		"empty":              {"", "tenants: none, want at least one"},
		"unknown field":      {least + "lisen: x\n", "lisen"},
		"duplicate key":      {least + "spool: /x\n", "already defined"},
		"connections":        {least + "limits: {connections: 1}\n", "limits.connections: got 1, want at least"},
		"shares too large":   {least + "limits: {connections: 100, unauthenticated-connections: 50, tenant-connections: 51}\n", "limits.connections: got 100"},
		"a negative share":   {least + "limits: {tenant-connections: -1}\n", "limits.connections: got 512"},
		"no strangers":       {least + "limits: {unauthenticated-connections: -1}\n", "limits.unauthenticated-connections: got -1, want more than zero"},
		"stop file":          {strings.Replace(least, "e1.sock\"", "e1.sock\", stop-file: x", 1), "enclaves[0].stop-file: got \"x\", want an absolute path"},
		"two documents":      {least + "---\n{}\n", "more than one YAML document"},
		"open listener":      {least + "listen: 0.0.0.0:80\n", "is not loopback, want tls"},
		"all interfaces":     {least + "listen: \":80\"\n", "is not loopback, want tls"},
		"named host":         {least + "listen: host.example:80\n", "is not loopback, want tls"},
		"half tls":           {least + "tls: {cert: a}\n", "want both cert and key"},
		"port":               {least + "listen: 127.0.0.1:99999\n", "want HOST:PORT"},
		"bytes":              {least + "limits: {job-bytes: many}\n", "want a number of bytes"},
		"bytes overflow":     {least + "limits: {job-bytes: 99999999999TiB}\n", "want a number of bytes"},
		"negative time":      {least + "limits: {wait: -1s}\n", "want a time span"},
		"zero time":          {least + "limits: {drain: 0s}\n", "limits.drain: got 0s, want more than 0s"},
		"spool too small":    {least + "limits: {job-bytes: 4096, spool-bytes: 4097}\n", "want at least twice job-bytes"},
		"zero queue":         {least + "limits: {queued-jobs: 0}\n", "limits.queued-jobs: got 0"},
		"relay host":         {least + "relay: {hosts: [\"A b\"]}\n", "want a host name in lower case"},
		"relay other port":   {least + "relay: {dial: {\"kms.test:80\": \"127.0.0.1:1\"}}\n", "want HOST:443"},
		"source":             {least + "credentials: {source: magic}\n", "want imds, environment or file"},
		"file without path":  {least + "credentials: {source: file}\n", "credentials.file"},
		"region":             {least + "credentials: {region: \"evil.example/\"}\n", "want a Region such as"},
		"same socket":        {least + "relay: {listen: \"unix:///a\"}\ncredentials: {listen: \"unix:///a\"}\n", "want another address"},
		"events address":     {least + "events: {listen: \"tcp://a:1\"}\n", "events.listen: got"},
		"events socket":      {least + "relay: {listen: \"unix:///a\"}\nevents: {listen: \"unix:///a\"}\n", "events.listen: same"},
		"token not a digest": {"tenants: [{name: a, token-sha256: [secret-token]}]\nenclaves: [{name: e, address: \"unix:///a\"}]\nspool: /a\n", "want the SHA-256 of a token"},
		"metrics token":      {least + "metrics: {token-sha256: [" + hex64 + "]}\n", "want one of its own"},
		"replace relative":   {"tenants: [{name: a, token-sha256: [" + hex64 + "]}]\nenclaves: [{name: e, address: \"unix:///a\", replace: [restart]}]\nspool: /a\n", "want an absolute program path"},
		"enclave any":        {"tenants: [{name: a, token-sha256: [" + hex64 + "]}]\nenclaves: [{name: e, address: \"vsock://any:1\"}]\nspool: /a\n", "want unix:///PATH"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := config.Parse([]byte(tc.src))
			if err == nil || c != nil {
				t.Fatalf("got %v, %v, want an error alone", c, err)
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %q, want it to say %q", err, tc.want)
			}
			if strings.Contains(err.Error(), "secret-token") {
				t.Errorf("got %q: it repeats a token", err)
			}
		})
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	_, err := config.Parse([]byte("colour: red\nlimits: {wait: soon, job-bytes: x}\nlisten: 10.0.0.1:80\ntenants: []\n"))
	if err == nil {
		t.Fatal("got no error")
	}
	for _, want := range []string{"colour", "line 2: want a time span", "line 2: want a number", "not loopback", "tenants: none", "enclaves: none", "spool:"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, want also %q", err, want)
		}
	}
}

func TestLoadRefusesEndlessFile(t *testing.T) {
	if _, err := config.Load("/dev/zero"); err == nil {
		t.Error("got no error for /dev/zero")
	}
	if _, err := config.Load(filepath.Join(t.TempDir(), "absent")); !os.IsNotExist(err) {
		t.Errorf("got %v, want not exist", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(least))
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("listen: \"\\0\"\nlimits: {wait: 1h"))
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := config.Parse(src)
		if (c == nil) == (err == nil) {
			t.Fatalf("got %v, %v, want exactly one", c, err)
		}
	})
}
