// Package endpoint decides which endpoints of AWS the owner's tool talks to, and makes its clients
// for KMS and STS. The main calls are [Rules.KMS] and [Rules.STS].
//
// The SDK takes an endpoint from many places (AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_KMS, the shared
// configuration file) and uses it as it is, plain HTTP included. A data key that such an endpoint
// makes is known to it. So an endpoint must be https, and the host of the key's Region, its FIPS or
// dual-stack host, or a VPC endpoint that the user named. Only for a policy that is NOT AWS may it
// be anything. What is used is reported, and a client uses nothing else.
package endpoint

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"anchorhold/protocol/policy"
)

// Services, as their host names begin.
const (
	serviceKMS = "kms"
	serviceSTS = "sts"
)

// ErrRefused is in the error for an endpoint that must not be used.
var ErrRefused = errors.New("endpoint refused")

// Rules say which endpoints are accepted. The zero Rules accept AWS's own only.
type Rules struct {
	NotAWS bool         // Danger: any endpoint will do. For policies that are NOT AWS
	VPC    []string     // hosts of VPC endpoints that the user named; used in place of others
	Report func(string) // is called with each endpoint that is used; nil: nobody is
}

// dualStack are the DNS suffixes of hosts with IPv4 and IPv6, by partition (AWS SDKs,
// partitions.json).
var dualStack = map[string]string{"aws": "api.aws", "aws-cn": "api.amazonwebservices.com.cn", "aws-us-gov": "api.aws"}

// vpcName is the first label of a VPC endpoint's host, which may end in an Availability Zone.
var vpcName = regexp.MustCompile(`^vpce-[0-9a-f]{8,32}-[0-9a-z]{4,16}(-[a-z0-9-]+)?$`)

// KMS makes a client for the KMS of the key's Region.
func (r Rules) KMS(ctx context.Context, key policy.KeyARN) (*kms.Client, error) {
	cfg, err := load(ctx, key)
	if err != nil {
		return nil, err
	}
	o := kms.NewFromConfig(cfg).Options()
	params := kms.EndpointParameters{
		Region: &o.Region, Endpoint: o.BaseEndpoint,
		UseFIPS:      aws.Bool(o.EndpointOptions.UseFIPSEndpoint == aws.FIPSEndpointStateEnabled),
		UseDualStack: aws.Bool(o.EndpointOptions.UseDualStackEndpoint == aws.DualStackEndpointStateEnabled),
	}
	found, err := o.EndpointResolverV2.ResolveEndpoint(ctx, params)
	if err != nil {
		return nil, fmt.Errorf("endpoint of KMS: %w", err)
	}
	use, err := r.choose(serviceKMS, key, found.URI)
	if err != nil {
		return nil, err
	}
	return kms.NewFromConfig(cfg, func(o *kms.Options) { o.BaseEndpoint, o.EndpointOptions = &use, kms.EndpointResolverOptions{} }), nil
}

// STS makes a client for the STS of the key's Region.
func (r Rules) STS(ctx context.Context, key policy.KeyARN) (*sts.Client, error) {
	cfg, err := load(ctx, key)
	if err != nil {
		return nil, err
	}
	o := sts.NewFromConfig(cfg).Options()
	params := sts.EndpointParameters{
		Region: &o.Region, Endpoint: o.BaseEndpoint, UseGlobalEndpoint: aws.Bool(false),
		UseFIPS:      aws.Bool(o.EndpointOptions.UseFIPSEndpoint == aws.FIPSEndpointStateEnabled),
		UseDualStack: aws.Bool(o.EndpointOptions.UseDualStackEndpoint == aws.DualStackEndpointStateEnabled),
	}
	found, err := o.EndpointResolverV2.ResolveEndpoint(ctx, params)
	if err != nil {
		return nil, fmt.Errorf("endpoint of STS: %w", err)
	}
	use, err := r.choose(serviceSTS, key, found.URI)
	if err != nil {
		return nil, err
	}
	return sts.NewFromConfig(cfg, func(o *sts.Options) { o.BaseEndpoint, o.EndpointOptions = &use, sts.EndpointResolverOptions{} }), nil
}

func load(ctx context.Context, key policy.KeyARN) (aws.Config, error) {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(key.Region))
	if err != nil {
		return aws.Config{}, fmt.Errorf("AWS configuration: %w", err)
	}
	return cfg, nil
}

// choose returns the endpoint to use: the VPC endpoint that the user named for the service, or what
// the SDK's configuration says.
func (r Rules) choose(service string, key policy.KeyARN, found url.URL) (string, error) {
	for _, host := range r.VPC {
		if isVPC(host, service, key) {
			found = url.URL{Scheme: "https", Host: host}
		} else if !isVPC(host, serviceKMS, key) && !isVPC(host, serviceSTS, key) {
			return "", fmt.Errorf("%w: %q is no host of a VPC endpoint for kms or sts in %s", ErrRefused, host, key.Region)
		}
	}
	use := found.String()
	if err := r.check(service, key, found); err != nil {
		return "", err
	}
	if r.Report != nil {
		mark := ""
		if r.NotAWS && (Rules{}).check(service, key, found) != nil {
			mark = ", NOT AWS"
		}
		r.Report(strings.ToUpper(service) + " at " + found.Redacted() + mark)
	}
	return use, nil
}

// check refuses an endpoint that is not AWS's.
func (r Rules) check(service string, key policy.KeyARN, u url.URL) error {
	if r.NotAWS {
		return nil
	}
	want := hosts(service, key)
	switch {
	case u.Scheme != "https":
		return fmt.Errorf("%w: %s is not https", ErrRefused, u.Redacted())
	case !slices.Contains(want, u.Hostname()) && (!slices.Contains(r.VPC, u.Hostname()) || !isVPC(u.Hostname(), service, key)):
		return fmt.Errorf("%w: %s is not the host of %s in %s, want %s, or a VPC endpoint that is named (--vpc-endpoint)",
			ErrRefused, u.Redacted(), service, key.Region, strings.Join(want, " or "))
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/" || u.Port() != "" && u.Port() != "443":
		return fmt.Errorf("%w: %s has more than a host", ErrRefused, u.Redacted())
	}
	return nil
}

// hosts are those of a service in the key's Region: the usual one, FIPS, and both as dual-stack.
func hosts(service string, key policy.KeyARN) []string {
	var list []string
	for _, suffix := range []string{suffix(key), dualStack[key.Partition]} {
		for _, name := range []string{service, service + "-fips"} {
			list = append(list, name+"."+key.Region+"."+suffix)
		}
	}
	return list
}

// suffix is the DNS suffix of the key's partition.
func suffix(key policy.KeyARN) string {
	return strings.TrimPrefix(key.Host(), "kms."+key.Region+".")
}

// isVPC says whether a host is that of a VPC endpoint for the service in the key's Region, such as
// vpce-0123456789abcdef0-abcdefgh.kms.us-east-1.vpce.amazonaws.com.
func isVPC(host, service string, key policy.KeyARN) bool {
	name, rest, _ := strings.Cut(host, ".")
	tail := "." + key.Region + ".vpce." + suffix(key)
	return vpcName.MatchString(name) && (rest == service+tail || rest == service+"-fips"+tail)
}
