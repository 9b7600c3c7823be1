package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"anchorhold/enclave/internal/devkms"
)

// kmsFlags are the flags of kms.
type kmsFlags struct {
	ca     string // folder that ca made
	users  string // YAML file. Trusted: it holds every principal's secret
	listen string // loopback only
	host   string // further name in the server certificate; default kms.REGION.anchorhold.test
	state  string
	events string
	form   string
}

func newKMS() *cobra.Command {
	var f kmsFlags
	cmd := &cobra.Command{
		Use:   "kms --ca DIR --users FILE",
		Short: "Serve a local KMS that enforces key policies and attestation",
		Args:  usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "ca", "users"); err != nil {
				return err
			}
			return serveKMS(cmd, f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.ca, "ca", "", "folder made by anchorhold-dev ca")
	flags.StringVar(&f.users, "users", "", "YAML file with account, region and users; of a user, identity lists what its IAM policies allow")
	flags.StringVar(&f.listen, "listen", "127.0.0.1:0", "loopback address to serve on")
	flags.StringVar(&f.host, "host", "", "host name in the certificate (default kms.REGION.anchorhold.test)")
	flags.StringVar(&f.state, "state", "", "file that keeps keys, policies and aliases (default: memory only)")
	flags.StringVar(&f.events, "events", "", "file to which each request's CloudTrail-shaped event is appended")
	flags.StringVar(&f.form, "form", "alternate", "BER form of CiphertextForRecipient: alternate, primitive or constructed")
	return cmd
}

func serveKMS(cmd *cobra.Command, f kmsFlags) (err error) {
	logger := newLogger(cmd.ErrOrStderr())
	form, ok := map[string]devkms.Form{
		"alternate": devkms.Alternate, "primitive": devkms.Primitive, "constructed": devkms.Constructed,
	}[f.form]
	if !ok {
		return fmt.Errorf("%w: --form must be alternate, primitive or constructed", errUsage)
	}
	users, err := readUsers(f.users)
	if err != nil {
		return err
	}
	roots, cert, err := readCA(f.ca, serverNames(f.host, users.Region))
	if err != nil {
		return err
	}
	config := devkms.Config{Users: users, Roots: roots, State: f.state, Form: form, Log: logger}
	if f.events != "" {
		events, err := os.OpenFile(f.events, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			return fmt.Errorf("opening the events file: %w", err)
		}
		defer func() { err = errors.Join(err, events.Close()) }()
		config.Events = events
	}
	server, err := devkms.New(config)
	if err != nil {
		return err
	}
	listener, err := listenLoopback(f.listen)
	if err != nil {
		return err
	}
	logger.Printf("local KMS for account %s in %s", users.Account, users.Region)
	if _, err := fmt.Fprintf(cmd.OutOrStdout(), "ready https://%s\n", listener.Addr()); err != nil {
		return errors.Join(err, listener.Close())
	}
	return server.Serve(cmd.Context(), listener, cert)
}

// listenLoopback refuses other interfaces: the users file's secrets are a developer's, not for a
// network.
func listenLoopback(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	if tcp, ok := l.Addr().(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() {
		return nil, errors.Join(fmt.Errorf("%w: --listen must be a loopback address", errUsage), l.Close())
	}
	return l, nil
}

func readUsers(path string) (*devkms.Users, error) {
	b, err := readLimited(path)
	if err != nil {
		return nil, err
	}
	users, err := devkms.ParseUsers(b)
	if err != nil {
		return nil, fmt.Errorf("users file: %w", err)
	}
	return users, nil
}

func serverNames(host, region string) []string {
	if host == "" {
		host = "kms." + region + ".anchorhold.test"
	}
	return []string{host, "localhost", "127.0.0.1", "::1"}
}

// readCA loads the attestation root and issues the server's certificate.
func readCA(dir string, names []string) (*x509.CertPool, tls.Certificate, error) {
	files := make([][]byte, 0, 3)
	for _, name := range []string{attestationRoot, tlsRoot, tlsRootKey} {
		b, err := readLimited(filepath.Join(dir, name))
		if err != nil {
			return nil, tls.Certificate{}, err
		}
		files = append(files, b)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(files[0]) {
		return nil, tls.Certificate{}, errors.New(attestationRoot + " holds no certificate")
	}
	root, err := devkms.ParseTLSRoot(files[1], files[2])
	if err != nil {
		return nil, tls.Certificate{}, err
	}
	cert, err := root.Issue(time.Now(), names...)
	return roots, cert, err
}

// readLimited reads a small file; more than 1 MiB can't be one of ours.
func readLimited(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const limit = 1 << 20
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if len(b) > limit {
		return nil, fmt.Errorf("%s is larger than 1 MiB", path)
	}
	return b, nil
}
