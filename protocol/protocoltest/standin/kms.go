package standin

import (
	"encoding/json"
	"net/http"
)

// KMS is a handler of GenerateDataKey, in AWS's JSON 1.1 protocol.
func (w *World) KMS() http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var ask struct {
			KeyID   string            `json:"KeyId"`
			Spec    string            `json:"KeySpec"`
			Context map[string]string `json:"EncryptionContext"`
		}
		rw.Header().Set("Content-Type", "application/x-amz-json-1.1")
		err := json.NewDecoder(r.Body).Decode(&ask)
		mode := w.getMode()
		switch {
		case err != nil, r.Header.Get("X-Amz-Target") != "TrentService.GenerateDataKey", ask.Spec != "AES_256":
			rw.WriteHeader(http.StatusBadRequest)
			json.NewEncoder(rw).Encode(map[string]string{"__type": "ValidationException", "message": "not understood"})
			return
		case mode == KMSDenies || ask.KeyID != Key:
			rw.WriteHeader(http.StatusBadRequest)
			json.NewEncoder(rw).Encode(map[string]string{"__type": "AccessDeniedException", "Message": "not authorized"})
			return
		case mode == KMSSwaps:
			ask.KeyID = Key[:len(Key)-1] + "2"
		}
		plaintext, ciphertext := w.DataKey(ask.Context)
		json.NewEncoder(rw).Encode(map[string]any{"KeyId": ask.KeyID, "Plaintext": plaintext, "CiphertextBlob": ciphertext})
	})
}
