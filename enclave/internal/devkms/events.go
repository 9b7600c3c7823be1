package devkms

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"anchorhold/protocol/attest"
)

// An event has the shape of a CloudTrail record (CloudTrail User Guide, "CloudTrail record
// contents"). It holds no plaintext and no key.
type event struct {
	EventVersion        string         `json:"eventVersion"`
	UserIdentity        userIdentity   `json:"userIdentity"`
	EventTime           string         `json:"eventTime"`
	EventSource         string         `json:"eventSource"`
	EventName           string         `json:"eventName"`
	AWSRegion           string         `json:"awsRegion"`
	SourceIPAddress     string         `json:"sourceIPAddress"`
	ErrorCode           string         `json:"errorCode,omitempty"`
	ErrorMessage        string         `json:"errorMessage,omitempty"`
	RequestParameters   map[string]any `json:"requestParameters"`
	ResponseElements    map[string]any `json:"responseElements"`
	AdditionalEventData map[string]any `json:"additionalEventData,omitempty"`
	RequestID           string         `json:"requestID"`
	EventID             string         `json:"eventID"`
	ReadOnly            bool           `json:"readOnly"`
	Resources           []resource     `json:"resources,omitempty"`
	EventType           string         `json:"eventType"`
	ManagementEvent     bool           `json:"managementEvent"`
	RecipientAccountID  string         `json:"recipientAccountId"`
	EventCategory       string         `json:"eventCategory"`
}

type userIdentity struct {
	Type        string `json:"type"`
	ARN         string `json:"arn,omitempty"`
	AccountID   string `json:"accountId,omitempty"`
	AccessKeyID string `json:"accessKeyId,omitempty"`
}

type resource struct {
	AccountID string `json:"accountId"`
	Type      string `json:"type"`
	ARN       string `json:"ARN"`
}

// changes lists the operations that are not read-only, in CloudTrail's sense.
var changes = map[string]bool{
	"CreateKey": true, "CreateAlias": true, "DeleteAlias": true, "PutKeyPolicy": true,
	"CreateGrant": true, "RevokeGrant": true, "RetireGrant": true, "ReplicateKey": true,
	"EnableKey": true, "DisableKey": true, "ScheduleKeyDeletion": true, "CancelKeyDeletion": true, "GetParametersForImport": true,
	"ImportKeyMaterial": true, "DeleteImportedKeyMaterial": true,
}

func (s *Server) newEvent(r *http.Request) *event {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	return &event{
		EventVersion:       "1.11",
		UserIdentity:       userIdentity{Type: "Unknown"},
		EventTime:          s.now().UTC().Format(time.RFC3339),
		EventSource:        "kms.amazonaws.com",
		EventName:          "Unknown",
		AWSRegion:          s.users.Region,
		SourceIPAddress:    host,
		RequestID:          newUUID(),
		EventID:            newUUID(),
		EventType:          "AwsApiCall",
		ManagementEvent:    true,
		RecipientAccountID: s.users.Account,
		EventCategory:      "Management",
	}
}

func (e *event) identify(u *User) {
	e.UserIdentity = userIdentity{Type: "IAMUser", ARN: u.ARN, AccountID: u.account(), AccessKeyID: u.AccessKeyID}
	switch {
	case u.service():
		e.UserIdentity.Type = "AWSService"
	case strings.Contains(u.ARN, "role/"):
		e.UserIdentity.Type = "AssumedRole"
	}
	e.ReadOnly = !changes[e.EventName]
}

// request notes parameters; empty ones are left out, as CloudTrail does.
func (e *event) request(name, value string) {
	if value == "" {
		return
	}
	if e.RequestParameters == nil {
		e.RequestParameters = make(map[string]any)
	}
	e.RequestParameters[name] = value
}

func (e *event) context(context map[string]string) {
	if len(context) == 0 {
		return
	}
	e.request("encryptionContext", " ") // makes the map
	e.RequestParameters["encryptionContext"] = context
}

func (e *event) resource(account, arn string) {
	e.Resources = []resource{{AccountID: account, Type: "AWS::KMS::Key", ARN: arn}}
}

// recipient notes the attestation document: PCRs in base64, as real events hold them.
func (e *event) recipient(d attest.Document) {
	fields := map[string]any{
		"attestationDocumentModuleId":           d.ModuleID,
		"attestationDocumentEnclaveImageDigest": base64.StdEncoding.EncodeToString(d.PCRs[0]),
	}
	for _, i := range []int{1, 2, 3, 4, 8} {
		if pcr, ok := d.PCRs[i]; ok {
			fields["attestationDocumentEnclavePCR"+strconv.Itoa(i)] = base64.StdEncoding.EncodeToString(pcr)
		}
	}
	e.AdditionalEventData = map[string]any{"recipient": fields}
}

// refuse notes the outcome; CloudTrail writes AccessDenied without the word Exception.
func (e *event) refuse(err *Error) {
	if err == nil {
		return
	}
	e.ErrorCode, e.ErrorMessage = err.Type, err.Message
	if err.Type == "AccessDeniedException" {
		e.ErrorCode = "AccessDenied"
	}
}

func (s *Server) record(e *event) error {
	if s.events == nil {
		return nil
	}
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encoding the event: %w", err)
	}
	s.eventsMu.Lock()
	defer s.eventsMu.Unlock()
	if _, err := s.events.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("writing the event: %w", err)
	}
	return nil
}
