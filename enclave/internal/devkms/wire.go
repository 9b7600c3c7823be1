package devkms

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

const (
	contentType  = "application/x-amz-json-1.1"
	targetPrefix = "TrentService."
)

// A call is one authenticated request on its way through an operation.
type call struct {
	op    string
	user  *User
	body  []byte
	time  time.Time
	event *event
}

// operations are those that exist; all others are unknown.
var operations = map[string]func(*Server, *call) (Answer, error){
	"CreateKey":                       (*Server).createKey,
	"DescribeKey":                     (*Server).describeKey,
	"ListKeys":                        (*Server).listKeys,
	"CreateAlias":                     (*Server).createAlias,
	"DeleteAlias":                     (*Server).deleteAlias,
	"ListAliases":                     (*Server).listAliases,
	"PutKeyPolicy":                    (*Server).putKeyPolicy,
	"GetKeyPolicy":                    (*Server).getKeyPolicy,
	"ListKeyPolicies":                 (*Server).listKeyPolicies,
	"Encrypt":                         (*Server).encrypt,
	"Decrypt":                         (*Server).decrypt,
	"GenerateDataKey":                 (*Server).generateDataKey,
	"GenerateDataKeyWithoutPlaintext": (*Server).generateDataKeyWithoutPlaintext,
	"GenerateRandom":                  (*Server).generateRandom,
	"ReEncrypt":                       (*Server).reEncrypt,
	"GenerateDataKeyPair":             (*Server).generateDataKeyPair,
	"DeriveSharedSecret":              (*Server).deriveSharedSecret,
	"CreateGrant":                     (*Server).createGrant,
	"ListGrants":                      (*Server).listGrants,
	"RevokeGrant":                     (*Server).revokeGrant,
	"RetireGrant":                     (*Server).retireGrant,
	"ReplicateKey":                    (*Server).replicateKey,
	"EnableKey":                       (*Server).enableKey,
	"DisableKey":                      (*Server).disableKey,
	"ScheduleKeyDeletion":             (*Server).scheduleKeyDeletion,
	"CancelKeyDeletion":               (*Server).cancelKeyDeletion,
	"GetParametersForImport":          (*Server).getParametersForImport,
	"ImportKeyMaterial":               (*Server).importKeyMaterial,
	"DeleteImportedKeyMaterial":       (*Server).deleteImportedKeyMaterial,

	"GenerateDataKeyPairWithoutPlaintext": (*Server).generateDataKeyPairWithoutPlaintext,
}

// ServeHTTP answers one request. The event is on record before the answer leaves; if it can't be
// written there is no answer.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if isSTS(r) {
		s.serveSTS(w, r)
		return
	}
	ev := s.newEvent(r)
	answer, err := s.handle(w, r, ev)
	var refusal *Error
	if err != nil && !errors.As(err, &refusal) {
		s.log.Printf("%s failed: %v", ev.EventName, err)
		refusal = internalFailure()
	}
	var body []byte
	if refusal == nil {
		body, err = json.Marshal(answer)
		if err != nil {
			refusal = internalFailure() // unreachable: answers hold strings, numbers and bytes
		}
	}
	ev.refuse(refusal)
	if err := s.record(ev); err != nil {
		s.log.Printf("event not written: %v", err)
		refusal = internalFailure()
	}
	if refusal != nil {
		sendError(w, ev.RequestID, refusal)
		return
	}
	send(w, ev.RequestID, http.StatusOK, body)
}

func (s *Server) handle(w http.ResponseWriter, r *http.Request, ev *event) (Answer, error) {
	op, known := strings.CutPrefix(r.Header.Get("X-Amz-Target"), targetPrefix)
	run := operations[op]
	if !known || run == nil || r.Method != http.MethodPost || r.URL.Path != "/" || r.URL.RawQuery != "" {
		return nil, &Error{Type: "UnknownOperationException"}
	}
	ev.EventName = op // a known name, never the caller's text
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, &Error{Status: http.StatusRequestEntityTooLarge, Type: "RequestEntityTooLargeException"}
	}
	user, err := s.authenticate(r, body, sigService)
	if err != nil {
		return nil, err
	}
	ev.identify(user)
	c := &call{op: op, user: user, body: body, time: s.now(), event: ev}
	next := func() (Answer, error) { return run(s, c) }
	if s.intercept != nil {
		return s.intercept(op, next)
	}
	return next()
}

// done is the answer of an operation that returns nothing.
func done(err error) (Answer, error) {
	if err != nil {
		return nil, err
	}
	return Answer{}, nil
}

// parse decodes a request. Unknown and duplicate members are refused: a member that is ignored may
// be the one that the caller relies on.
func parse[T any](c *call) (*T, error) {
	var in T
	if err := json.Unmarshal(c.body, &in, json.RejectUnknownMembers(true)); err != nil {
		return nil, &Error{Type: "SerializationException", Message: "malformed request body"}
	}
	return &in, nil
}

func send(w http.ResponseWriter, requestID string, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-cache, no-store, must-revalidate, private")
	h.Set("X-Amzn-Requestid", requestID)
	w.WriteHeader(status)
	w.Write(body) // a caller that went away gets no second try
}

func sendError(w http.ResponseWriter, requestID string, e *Error) {
	fields := map[string]string{"__type": e.Type}
	switch {
	case e.Message == "": // as KMS answers InvalidCiphertextException
	case e.Type == "AccessDeniedException":
		fields["Message"] = e.Message // KMS spells this one with a capital
	default:
		fields["message"] = e.Message
	}
	body, err := json.Marshal(fields, json.Deterministic(true))
	if err != nil {
		// unreachable: only an invalid UTF-8 message, and ours are constants
		body = []byte(`{"__type":"KMSInternalException"}`)
	}
	w.Header().Set("X-Amzn-Errortype", e.Type)
	send(w, requestID, e.status(), body)
}
