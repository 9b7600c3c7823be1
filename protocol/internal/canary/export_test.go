package canary

// Forged documents are tested by themselves: KMS does not say why it refuses one.
var (
	ExchangeKey = exchangeKey
	SignAnew    = signAnew
)
