package canary

// ExchangeKey is tested by itself: KMS does not say why it refuses a document.
var ExchangeKey = exchangeKey
