package softnsm

import (
	"github.com/fxamacker/cbor/v2"
	"github.com/hf/nsm/request"
	"github.com/hf/nsm/response"
)

// invalidIndex is missing in hf/nsm.
const invalidIndex response.ErrorCode = "InvalidIndex"

func failure(code response.ErrorCode) any { return map[string]response.ErrorCode{"Error": code} }

// Exchange answers one raw CBOR request like the ioctl. It always answers, malformed requests with
// an error response.
func (n *NSM) Exchange(request []byte) []byte {
	answer := n.dispatch(request)
	b, err := cbor.Marshal(answer)
	if err != nil || len(b) > MaxResponse {
		answer = failure(response.ECInternalError)
		if err == nil {
			answer = failure(response.ECBufferTooSmall)
		}
		b, _ = cbor.Marshal(answer) // a constant
	}
	return b
}

// pcrRequest has pointers for what the request must hold.
type pcrRequest struct {
	Index *uint16 `cbor:"index"`
	Range *uint16 `cbor:"range"`
	Data  *[]byte `cbor:"data"`
}

func (n *NSM) dispatch(raw []byte) any {
	if len(raw) > MaxRequest {
		return failure(response.ECInputTooLarge)
	}
	var name string
	if err := cbor.Unmarshal(raw, &name); err == nil {
		switch name {
		case "DescribeNSM":
			return n.describe()
		case "GetRandom":
			return n.random()
		}
		return failure(response.ECInvalidOperation)
	}
	var calls map[string]cbor.RawMessage
	if err := cbor.Unmarshal(raw, &calls); err != nil || len(calls) != 1 {
		return failure(response.ECInvalidOperation)
	}
	for name, body := range calls {
		if name == "Attestation" {
			var a request.Attestation
			if err := cbor.Unmarshal(body, &a); err != nil {
				return failure(response.ECInvalidOperation)
			}
			return n.attest(a.UserData, a.Nonce, a.PublicKey)
		}
		var p pcrRequest
		if err := cbor.Unmarshal(body, &p); err != nil {
			return failure(response.ECInvalidOperation)
		}
		return n.pcrCall(name, p)
	}
	return failure(response.ECInternalError) // unreachable
}

func (n *NSM) pcrCall(name string, p pcrRequest) any {
	switch {
	case name == "DescribePCR" && p.Index != nil:
		return n.describePCR(*p.Index)
	case name == "ExtendPCR" && p.Index != nil && p.Data != nil:
		return n.extendPCR(*p.Index, *p.Data)
	case name == "LockPCR" && p.Index != nil:
		return n.lockPCR(*p.Index)
	case name == "LockPCRs" && p.Range != nil:
		return n.lockPCRs(*p.Range)
	}
	return failure(response.ECInvalidOperation)
}
