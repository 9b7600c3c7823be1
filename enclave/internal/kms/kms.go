// Package kms has AWS KMS decrypt a data key for this enclave and nobody else: with the key's full
// ARN, the whole encryption context and a fresh attestation document, over TLS that ends here.
//
// The main call is [Client.Decrypt]. The parent carries the TLS bytes and lends its role's
// credentials; it is the adversary in both. What KMS answers is believed because of TLS with the
// roots of this program, not because of its CMS, which is not authenticated. The package does not
// cache keys (see keycache) and does not judge contexts (see job).
package kms

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"anchorhold/protocol/code"
	"anchorhold/protocol/policy"
)

const (
	// data key of both suites, AWS Encryption SDK message format
	keySize     = 32
	maxAttempts = 3                      // of one Decrypt
	maxBackoff  = 500 * time.Millisecond // between attempts; the parent tries again later
	// of one Decrypt with its attempts, once there is a key for the answer
	decryptTimeout = 20 * time.Second
	maxRequestID   = 64 // a UUID; it goes into receipts
)

// Config says how KMS is reached. Attest, Now and Dial are required.
type Config struct {
	// Relay and Credentials are the parent's addresses.
	Relay, Credentials string
	// Host replaces the endpoint that follows from the key's ARN. Trusted: it comes from the
	// measured policy's test section.
	Host string
	// Roots are those of KMS's TLS certificate: AmazonRoots, or TestRoots of the measured policy.
	Roots *x509.CertPool
	// Attest returns a fresh attestation document of purpose kms over a public key (DER
	// SubjectPublicKeyInfo).
	Attest func(ctx context.Context, publicKey []byte) ([]byte, error)
	// Now is the NSM's clock: certificates are judged by it.
	Now func() time.Time
	// Dial connects to one of the parent's addresses.
	Dial func(ctx context.Context, address string) (net.Conn, error)
}

// Client calls KMS. It is safe for concurrent use. Close it.
type Client struct {
	config      Config
	keys        *keyPool
	credentials *credentials
	transport   *http.Transport

	mu      sync.Mutex
	clients map[string]*awskms.Client // guarded by mu: by Region
}

// New returns a client; it starts to make RSA keys at once.
func New(c Config) *Client {
	client := &Client{
		config:      c,
		keys:        newKeyPool(),
		credentials: newCredentials(c),
		clients:     map[string]*awskms.Client{},
	}
	client.transport = client.newTransport()
	return client
}

// Close waits for the background work and ends idle connections.
func (c *Client) Close() error {
	c.keys.close()
	c.transport.CloseIdleConnections()
	return nil
}

// Request names one encrypted data key.
type Request struct {
	ARN        string            // the key that must decrypt it
	Ciphertext []byte            // KMS's CiphertextBlob
	Context    map[string]string // the whole encryption context
}

// Decrypt writes the data key to key, which the caller clears, and returns KMS's request id. Errors
// carry a code of SPEC 9; key is untouched then.
func (c *Client) Decrypt(ctx context.Context, r Request, key *[keySize]byte) (requestID string, err error) {
	arn, err := policy.ParseKeyARN(r.ARN)
	if err != nil {
		return "", code.New(code.KeyNotAllowed, err)
	}
	private, publicKey, err := c.keys.take(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return "", code.New(code.KMSUnavailable, err)
	case err != nil:
		return "", code.New(code.Internal, err)
	}
	defer clearRSA(private)
	// From here on: a slow processor, which takes seconds for a key, must not use up the time that
	// is KMS's.
	ctx, cancel := context.WithTimeout(ctx, decryptTimeout)
	defer cancel()
	document, err := c.config.Attest(ctx, publicKey)
	switch {
	case err != nil && ctx.Err() != nil: // our time is over, whatever the NSM is doing
		return "", code.New(code.KMSUnavailable, err)
	case err != nil:
		return "", code.New(code.NSMFailed, err)
	}
	// Recipient, KeyId and the full context, always: without any of them the parent could have
	// another key or another blob decrypted, or decrypt this one itself.
	out, err := c.call(ctx, arn, &awskms.DecryptInput{
		CiphertextBlob:      r.Ciphertext,
		EncryptionAlgorithm: types.EncryptionAlgorithmSpecSymmetricDefault,
		EncryptionContext:   r.Context,
		KeyId:               aws.String(r.ARN),
		Recipient: &types.RecipientInfo{
			AttestationDocument:    document,
			KeyEncryptionAlgorithm: types.KeyEncryptionMechanismRsaesOaepSha256,
		},
	})
	if err != nil {
		return "", err
	}
	return open(out, r.ARN, private, key)
}

// call sends the request with the parent's credentials and, if KMS refuses these, once more with
// others if the parent has any. A call that was refused has had no effect. Errors carry a code.
func (c *Client) call(ctx context.Context, arn policy.KeyARN, in *awskms.DecryptInput) (*awskms.DecryptOutput, error) {
	current, err := c.credentials.get(ctx)
	if err != nil {
		return nil, err
	}
	for renewed := false; ; renewed = true {
		out, err := c.client(arn).Decrypt(ctx, in, func(o *awskms.Options) {
			o.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return current, nil })
		})
		if err == nil {
			return out, nil
		}
		if err = classify(err); code.Of(err) != code.CredentialsRefused {
			return nil, err
		}
		// The SDK's signers keep derived keys by access key id alone: one wrong secret with a right
		// id would deny service until the next day, long after the parent has the right one.
		c.mu.Lock()
		clear(c.clients)
		c.mu.Unlock()
		if renewed {
			return nil, err
		}
		if current, err = c.credentials.renew(ctx, current); err != nil {
			return nil, err
		}
	}
}

// open checks KMS's answer and takes the data key from it. Every failure is one code: finer ones
// would be an oracle.
func open(out *awskms.DecryptOutput, arn string, private *rsa.PrivateKey, key *[keySize]byte) (string, error) {
	invalid := code.New(code.KMSAnswerInvalid, nil)
	// A plaintext beside the Recipient means that it was not honoured: what answered is not KMS, or
	// the policy has a hole.
	if len(out.Plaintext) != 0 {
		clear(out.Plaintext)
		return "", invalid
	}
	if aws.ToString(out.KeyId) != arn {
		return "", invalid
	}
	id, ok := middleware.GetRequestIDMetadata(out.ResultMetadata)
	if !ok || !validRequestID(id) {
		return "", invalid
	}
	plain, err := openCMS(out.CiphertextForRecipient, private)
	defer clear(plain)
	if err != nil || len(plain) != keySize {
		return "", invalid
	}
	copy(key[:], plain)
	return id, nil
}

// validRequestID keeps free text out of receipts.
func validRequestID(id string) bool {
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' {
			return false
		}
	}
	return id != "" && len(id) <= maxRequestID
}

// signer dates signatures by the NSM's clock. The system's drifts, and nothing in an enclave sets
// it: KMS refuses what is five minutes off.
type signer struct {
	*v4.Signer
	now func() time.Time
}

func (s signer) SignHTTP(ctx context.Context, c aws.Credentials, r *http.Request, payload, service, region string, _ time.Time, f ...func(*v4.SignerOptions)) error {
	return s.Signer.SignHTTP(ctx, c, r, payload, service, region, s.now(), f...)
}

// client returns the SDK's client for a key's Region. There are as many as the policy's keys have
// Regions.
func (c *Client) client(arn policy.KeyARN) *awskms.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k, ok := c.clients[arn.Region]; ok {
		return k
	}
	host := arn.Host()
	if c.config.Host != "" {
		host = c.config.Host
	}
	k := awskms.New(awskms.Options{
		Region:       arn.Region,
		BaseEndpoint: aws.String("https://" + host),
		HTTPClient:   c.httpClient(),
		HTTPSignerV4: signer{v4.NewSigner(), c.config.Now},
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts, o.MaxBackoff = maxAttempts, maxBackoff
		}),
	})
	c.clients[arn.Region] = k
	return k
}
