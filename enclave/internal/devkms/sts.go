package devkms

import (
	"encoding/xml"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
)

// STS answers one operation, GetCallerIdentity, at the same address: who asks KMS as whom matters
// to callers that must know whose credentials they have. Source: AWS STS API Reference; the
// protocol is AWS's query protocol.
const (
	stsService   = "sts"
	stsOperation = "GetCallerIdentity"
	stsNamespace = "https://sts.amazonaws.com/doc/2011-06-15/"
	stsForm      = "application/x-www-form-urlencoded"
)

type callerIdentity struct {
	XMLName   xml.Name `xml:"GetCallerIdentityResponse"`
	Namespace string   `xml:"xmlns,attr"`
	ARN       string   `xml:"GetCallerIdentityResult>Arn"`
	UserID    string   `xml:"GetCallerIdentityResult>UserId"`
	Account   string   `xml:"GetCallerIdentityResult>Account"`
	RequestID string   `xml:"ResponseMetadata>RequestId"`
}

type stsError struct {
	XMLName   xml.Name `xml:"ErrorResponse"`
	Namespace string   `xml:"xmlns,attr"`
	Type      string   `xml:"Error>Type"`
	Code      string   `xml:"Error>Code"`
	Message   string   `xml:"Error>Message"`
	RequestID string   `xml:"RequestId"`
}

// isSTS says whether a request is one for STS: KMS takes no forms.
func isSTS(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == stsForm && r.Header.Get("X-Amz-Target") == ""
}

func (s *Server) serveSTS(w http.ResponseWriter, r *http.Request) {
	ev := s.newEvent(r)
	ev.EventSource = stsService + ".amazonaws.com"
	user, err := s.identifyCaller(w, r, ev)
	var refusal *Error
	if err != nil && !errors.As(err, &refusal) {
		refusal = internalFailure()
	}
	ev.refuse(refusal)
	if err := s.record(ev); err != nil {
		s.log.Printf("event not written: %v", err)
		refusal = internalFailure()
	}
	var answer any
	status := http.StatusOK
	if refusal != nil {
		status = http.StatusForbidden
		answer = stsError{Namespace: stsNamespace, Type: "Sender", Code: refusal.Type, Message: refusal.Message, RequestID: ev.RequestID}
	} else {
		answer = callerIdentity{Namespace: stsNamespace, ARN: user.ARN, UserID: user.UniqueID, Account: user.account(), RequestID: ev.RequestID}
	}
	body, err := xml.Marshal(answer)
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError) // unreachable: answers hold strings
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	w.Header().Set("X-Amzn-Requestid", ev.RequestID)
	w.WriteHeader(status)
	w.Write(body) // a caller that went away gets no second try
}

// identifyCaller needs no permission, as with AWS.
func (s *Server) identifyCaller(w http.ResponseWriter, r *http.Request, ev *event) (*User, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, &Error{Type: "RequestEntityTooLarge"}
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || r.Method != http.MethodPost || r.URL.Path != "/" || r.URL.RawQuery != "" || form.Get("Action") != stsOperation {
		return nil, &Error{Type: "InvalidAction", Message: "only " + stsOperation + " is known"}
	}
	ev.EventName = stsOperation
	user, err := s.authenticate(r, body, stsService)
	if err != nil {
		return nil, err
	}
	ev.identify(user)
	return user, nil
}
