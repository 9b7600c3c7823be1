package submit

import "anchorhold/protocol/code"

// meanings says for the data owner what a code means and what to do.
var meanings = map[code.Code]string{
	code.JobMalformed:           "the job file is not one, or was changed on the way: seal it again",
	code.EnvelopeMalformed:      "the message in the job file is malformed, or was changed on the way: seal it again",
	code.SuiteUnsupported:       "the message uses an algorithm suite without key commitment: use suite 0x0478 or 0x0578",
	code.FrameTooLong:           "the message's frame length is over the policy's frame-length",
	code.TooManyKeys:            "the message holds more encrypted data keys than the policy's encrypted-keys",
	code.ContextInvalid:         "the encryption context lacks an anchorhold: entry, or holds an unknown or malformed one",
	code.TenantUnknown:          "the enclave's policy has no such tenant",
	code.KeyNotAllowed:          "no encrypted data key is of a KMS key that the policy gives the tenant",
	code.PipelineNotAllowed:     "the policy does not allow the tenant this pipeline",
	code.ImageMismatch:          "the job was sealed for another image than the one that runs: compare your pins with the parent's version",
	code.ReplyMismatch:          "the reply key in the job file is not the one that the message names",
	code.CrosswalkMismatch:      "the crosswalk key in the job file is not the one that the message names, or the pipeline issues no surrogates",
	code.CrosswalkMalformed:     "the earlier crosswalk is not one that an enclave wrote whole, or names an identifier or a surrogate twice",
	code.Expired:                "the job's last day (not-after) is over: seal it again",
	code.NotAfterTooFar:         "the job's last day (not-after) lies further ahead than the policy allows",
	code.ContentTypeUnsupported: "the pipeline does not take this content type",
	code.ReferenceDateMissing:   "the pipeline needs a reference date: seal with --reference-date",
	code.ParametersMissing:      "the message or the pipeline asks for parameters that the job does not carry: seal with --parameters",
	code.ParametersMismatch:     "the parameters message is not the one that the message names",
	code.ParametersMalformed:    "the parameters message does not hold what it must",
	code.KMSDenied:              "KMS refused to release the data key: the key policy does not permit this image, role or context",
	code.KMSThrottled:           "KMS is throttling: submit the same file again later",
	code.KMSUnavailable:         "the enclave cannot reach KMS: submit the same file again later",
	code.KMSAnswerInvalid:       "the answer in KMS's name could not be opened: the way to KMS may be tampered with",
	code.CredentialsUnavailable: "the parent gave the enclave no AWS credentials: its operator must look at its credentials source",
	code.CredentialsRefused:     "AWS does not accept the parent's credentials: its operator must replace them or renew its role session; submit the same file again after that",
	code.AuthenticationFailed:   "the message was changed on the way, or its key is not the one it names",
	code.Truncated:              "the message ended early: submit the same file again, or seal it again if the file itself is cut",
	code.TooLarge:               "the job is over the policy's job-bytes",
	code.TooManyRecords:         "the job holds more records than the policy allows",
	code.TooManyIdentifiers:     "the job holds more distinct identifiers than the policy allows: split it",
	code.RecordRejected:         "a record was rejected, and the pipeline's rules let one bad record fail the job",
	code.ReplayLimit:            "this message was decrypted as often as the policy allows: seal it again",
	code.NSMFailed:              "the enclave's security module failed: the operator must look at it",
	code.Busy:                   "no enclave has room: submit the same file again later",
	code.Timeout:                "the job took longer than the policy's job-seconds",
	code.Canceled:               "the job was cancelled",
	code.Internal:               "the enclave or the parent failed: the operator must look at it",
	code.HostNotAllowed:         "the parent did not let the enclave connect to KMS",
}

// parentMeanings are those of the codes by which a parent answers for itself; its OPERATING.md
// lists them.
var parentMeanings = map[code.Code]string{
	"unauthorized":         "the parent does not know the token: check --token-file",
	"not-found":            "the parent has no such job, or it has expired",
	"method-not-allowed":   "this is no Anchorhold parent, or of another version: check --parent",
	"malformed-request":    "the parent does not understand the request: it may be of another version",
	"too-many-connections": "all connections that the parent gives you are in use: close some, and submit the same file again later",
	"queue-full":           "too many of your jobs wait: submit the same file again later",
	"not-done":             "the job has not ended yet",
	"not-ready":            "no enclave answers the parent: the operator must look at it",
	"draining":             "the parent is about to stop: submit the same file again later",
	"spool-failed":         "the parent's storage failed: the operator must look at it",
	"spool-full":           "the parent has no room for the job or its result: the operator must look at it",
	"poison":               "an enclave died while this job ran, and another when it ran alone: ask the operator for enclaves with more memory or make the job smaller, then seal it again",
	"enclave-lost":         "the enclave went away during the job: submit the same file again",
}

// known says whether a code may be shown: it is one of ours, not the parent's prose.
func known(c code.Code) bool {
	_, ours := meanings[c]
	_, parents := parentMeanings[c]
	return ours || parents
}

// Meaning returns a sentence for a code of SPEC 9 or of the parent.
func Meaning(c code.Code) string {
	if m, ok := meanings[c]; ok {
		return m
	}
	if m, ok := parentMeanings[c]; ok {
		return m
	}
	return "no meaning is known for this code"
}
