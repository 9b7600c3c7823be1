package code

// Code is a job code of SPEC 9.
type Code string

// The job codes. Any failure to open KMS's answer is KMSAnswerInvalid, and any failed tag,
// signature or commitment is AuthenticationFailed: finer codes would be an oracle.
const (
	JobMalformed           Code = "job-malformed"
	EnvelopeMalformed      Code = "envelope-malformed"
	SuiteUnsupported       Code = "suite-unsupported"
	FrameTooLong           Code = "frame-too-long"
	TooManyKeys            Code = "too-many-keys"
	ContextInvalid         Code = "context-invalid"
	TenantUnknown          Code = "tenant-unknown"
	KeyNotAllowed          Code = "key-not-allowed"
	PipelineNotAllowed     Code = "pipeline-not-allowed"
	ImageMismatch          Code = "image-mismatch"
	ReplyMismatch          Code = "reply-mismatch"
	CrosswalkMismatch      Code = "crosswalk-mismatch"
	CrosswalkMalformed     Code = "crosswalk-malformed"
	Expired                Code = "expired"
	NotAfterTooFar         Code = "not-after-too-far"
	ContentTypeUnsupported Code = "content-type-unsupported"
	ReferenceDateMissing   Code = "reference-date-missing"
	ParametersMissing      Code = "parameters-missing"
	ParametersMismatch     Code = "parameters-mismatch"
	ParametersMalformed    Code = "parameters-malformed"
	KMSDenied              Code = "kms-denied"
	KMSThrottled           Code = "kms-throttled"
	KMSUnavailable         Code = "kms-unavailable"
	KMSAnswerInvalid       Code = "kms-answer-invalid"
	CredentialsUnavailable Code = "credentials-unavailable"
	CredentialsRefused     Code = "credentials-refused"
	AuthenticationFailed   Code = "authentication-failed"
	Truncated              Code = "truncated"
	TooLarge               Code = "too-large"
	TooManyRecords         Code = "too-many-records"
	TooManyIdentifiers     Code = "too-many-identifiers"
	RecordRejected         Code = "record-rejected"
	ReplayLimit            Code = "replay-limit"
	NSMFailed              Code = "nsm-failed"
	Busy                   Code = "busy"
	Timeout                Code = "timeout"
	Canceled               Code = "canceled"
	Internal               Code = "internal"
	HostNotAllowed         Code = "host-not-allowed"
)

// Record is a record code of SPEC 9. It appears only in the sealed report.
type Record string

// The record codes.
const (
	RecordTooLong          Record = "record-too-long"
	RecordTooCostly        Record = "record-too-costly"
	JSONMalformed          Record = "json-malformed"
	JSONDuplicateName      Record = "json-duplicate-name"
	JSONTooDeep            Record = "json-too-deep"
	JSONTooManyValues      Record = "json-too-many-values"
	UTF8Invalid            Record = "utf8-invalid"
	ResourceTypeNotAllowed Record = "resource-type-not-allowed"
	ResourceMalformed      Record = "resource-malformed"
	ModifierExtension      Record = "modifier-extension"
	MandatoryRemoved       Record = "mandatory-removed"
	ProcessingFailed       Record = "processing-failed"
)

var codes = map[Code]bool{
	JobMalformed:           true,
	EnvelopeMalformed:      true,
	SuiteUnsupported:       true,
	FrameTooLong:           true,
	TooManyKeys:            true,
	ContextInvalid:         true,
	TenantUnknown:          true,
	KeyNotAllowed:          true,
	PipelineNotAllowed:     true,
	ImageMismatch:          true,
	ReplyMismatch:          true,
	CrosswalkMismatch:      true,
	CrosswalkMalformed:     true,
	Expired:                true,
	NotAfterTooFar:         true,
	ContentTypeUnsupported: true,
	ReferenceDateMissing:   true,
	ParametersMissing:      true,
	ParametersMismatch:     true,
	ParametersMalformed:    true,
	KMSDenied:              true,
	KMSThrottled:           true,
	KMSUnavailable:         true,
	KMSAnswerInvalid:       true,
	CredentialsUnavailable: true,
	CredentialsRefused:     true,
	AuthenticationFailed:   true,
	Truncated:              true,
	TooLarge:               true,
	TooManyRecords:         true,
	TooManyIdentifiers:     true,
	RecordRejected:         true,
	ReplayLimit:            true,
	NSMFailed:              true,
	Busy:                   true,
	Timeout:                true,
	Canceled:               true,
	Internal:               true,
	HostNotAllowed:         true,
}

var records = map[Record]bool{
	RecordTooLong:          true,
	RecordTooCostly:        true,
	JSONMalformed:          true,
	JSONDuplicateName:      true,
	JSONTooDeep:            true,
	JSONTooManyValues:      true,
	UTF8Invalid:            true,
	ResourceTypeNotAllowed: true,
	ResourceMalformed:      true,
	ModifierExtension:      true,
	MandatoryRemoved:       true,
	ProcessingFailed:       true,
}

// Valid reports whether c is one of the job codes. Check it on everything from a peer: a code is
// logged and shown, and must not carry text of the peer's choice.
func (c Code) Valid() bool { return codes[c] }

// Valid reports whether r is one of the record codes.
func (r Record) Valid() bool { return records[r] }
