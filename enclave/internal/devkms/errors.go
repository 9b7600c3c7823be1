package devkms

import (
	"net/http"
	"strings"
)

// An Error is an answer of KMS other than success. Type is the exception's name as SDKs know it.
type Error struct {
	Status  int // HTTP; 0 means 400
	Type    string
	Message string
}

func (e *Error) Error() string { return e.Type + ": " + e.Message }

func (e *Error) status() int {
	if e.Status == 0 {
		return http.StatusBadRequest
	}
	return e.Status
}

func validation(message string) *Error { return &Error{Type: "ValidationException", Message: message} }

func notFound(message string) *Error { return &Error{Type: "NotFoundException", Message: message} }

func unsupported(message string) *Error {
	return &Error{Type: "UnsupportedOperationException", Message: message}
}

// Reasons for a refusal, as AWS states them (IAM User Guide, "Troubleshoot access denied error
// messages"). Of several policies that refuse AWS names one.
const (
	deniedByKey      = "with an explicit deny in a resource-based policy"
	notByKey         = "because no resource-based policy allows the ACTION action"
	notByIdentity    = "because no identity-based policy allows the ACTION action"
	actionOfReason   = "ACTION"
	accessDeniedType = "AccessDeniedException"
)

// accessDenied names what was refused and which kind of policy did it, as AWS does, and not which
// statement or condition.
func accessDenied(principal, action, resource, reason string) *Error {
	return &Error{
		Type: accessDeniedType,
		Message: "User: " + principal + " is not authorized to perform: " + action + " on resource: " + resource + " " +
			strings.ReplaceAll(reason, actionOfReason, action),
	}
}

// invalidCiphertext is one answer for every failed decryption: it must not tell a wrong context
// from a changed byte.
func invalidCiphertext() *Error { return &Error{Type: "InvalidCiphertextException"} }

func internalFailure() *Error {
	return &Error{Status: http.StatusInternalServerError, Type: "KMSInternalException", Message: "internal failure"}
}
