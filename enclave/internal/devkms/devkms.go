// Package devkms is a local stand-in for AWS KMS, for development and tests. INSECURE: keys lie in
// this process's memory and, when asked for, in a file.
//
// The main calls are [New] and [Server.Serve]. It speaks KMS's JSON 1.1 protocol, checks SigV4,
// enforces key policies with package keypolicy, verifies attestation documents with package attest
// to a configured root, and answers a Recipient with the CMS bytes that KMS uses. Every request
// leaves a CloudTrail-shaped event before its answer is sent.
//
// It does not promise availability, FIPS validated cryptography, or anything about an operation
// that it does not list: those are refused as unknown. Replicas of multi-Region keys are served by
// the same server, by their ARN. Imported key material does not expire, keys whose deletion was
// scheduled stay, and custom key stores exist in tests only.
package devkms
