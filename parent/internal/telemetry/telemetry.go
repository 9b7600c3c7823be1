// Package telemetry counts what the parent does, for Prometheus. OPERATING.md says what each metric
// means and what to do about it.
//
// Every label comes from a bounded set: tenants and enclaves of the configuration, routes of the
// API, codes of SPEC 9. No label or value comes from a job's content or a peer's free text: a
// metric is read by more people than a job.
package telemetry

import (
	"bytes"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const namespace = "anchorhold"

// Metrics holds every metric of the parent. Its fields are safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	names    []string // written by New only

	JobsAccepted  *prometheus.CounterVec   // tenant
	JobsFinished  *prometheus.CounterVec   // tenant, code ("done" for success)
	JobsRetried   *prometheus.CounterVec   // reason
	JobSeconds    *prometheus.HistogramVec // stage: queue, run
	JobBytes      *prometheus.HistogramVec // direction: in, out
	Jobs          *prometheus.GaugeVec     // state: queued, running
	SpoolFull     prometheus.Counter
	AuditFailures prometheus.Counter

	EnclaveUp       *prometheus.GaugeVec   // enclave
	EnclaveJobs     *prometheus.GaugeVec   // enclave
	EnclaveCapacity *prometheus.GaugeVec   // enclave
	EnclaveFailures *prometheus.CounterVec // enclave, reason
	EnclaveEvents   *prometheus.CounterVec // enclave, event
	Replacements    *prometheus.CounterVec // enclave, outcome
	LogBatches      *prometheus.CounterVec // enclave

	RelayOpen   prometheus.Gauge
	RelayConns  *prometheus.CounterVec // outcome
	RelayBytes  *prometheus.CounterVec // direction: out, in
	Credentials *prometheus.CounterVec // outcome
	// CredentialsRefused has the outcomes renewed, same, failed, limited.
	CredentialsRefused *prometheus.CounterVec // outcome

	Requests       *prometheus.CounterVec   // route, status
	RequestSeconds *prometheus.HistogramVec // route

	Connections        *prometheus.GaugeVec   // tenant; empty: not authenticated
	ConnectionsClosed  *prometheus.CounterVec // reason: unauthenticated, idle
	ConnectionsRefused *prometheus.CounterVec // tenant
}

// New returns metrics on a registry of their own. spoolBytes and spoolLimit are read at each
// scrape.
func New(spoolBytes, spoolLimit func() float64) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.registry.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.jobs()
	m.enclaves()
	m.edges()
	m.function("spool_bytes", "Bytes of bodies in the spool, with what is reserved for running uploads and results.", spoolBytes)
	m.function("spool_limit_bytes", "limits.spool-bytes of the configuration.", spoolLimit)
	return m
}

func (m *Metrics) jobs() {
	seconds := []float64{.01, .05, .1, .5, 1, 5, 10, 30, 60, 300, 900, 3600}
	sizes := prometheus.ExponentialBuckets(1<<12, 8, 9) // 4 KiB to 64 GiB
	m.JobsAccepted = m.counter("jobs_accepted_total", "Jobs stored durably.", "tenant")
	m.JobsFinished = m.counter("jobs_finished_total", "Jobs that ended; code is done, or why they failed.", "tenant", "code")
	m.JobsRetried = m.counter("jobs_retried_total", "Attempts that ended without an answer and were queued again.", "reason")
	m.JobSeconds = m.histogram("job_seconds", "Time in the queue, and on an enclave.", seconds, "stage")
	m.JobBytes = m.histogram("job_bytes", "Bytes of job files and of sealed results.", sizes, "direction")
	m.Jobs = m.gauges("jobs", "Jobs that wait or run.", "state")
	m.SpoolFull = m.plainCounter("spool_full_total", "Bodies refused because the spool or its disk was full.")
	m.AuditFailures = m.plainCounter("audit_failures_total", "Acts refused because their audit entry could not be written.")
}

func (m *Metrics) enclaves() {
	m.EnclaveUp = m.gauges("enclave_up", "1 when the enclave answers, 0 when it is taken out.", "enclave")
	m.EnclaveJobs = m.gauges("enclave_jobs", "Jobs of this parent on the enclave.", "enclave")
	m.EnclaveCapacity = m.gauges("enclave_capacity", "Jobs the enclave takes at once.", "enclave")
	m.EnclaveFailures = m.counter("enclave_failures_total", "Probes and connections that failed.", "enclave", "reason")
	m.EnclaveEvents = m.counter("enclave_events_total", "Events of the enclave's start and end; OPERATING.md lists them.", "enclave", "event")
	m.Replacements = m.counter("enclave_replacements_total", "Runs of the replace command.", "enclave", "outcome")
	m.LogBatches = m.counter("log_batches_total", "Receipt batches stored from the enclave.", "enclave")
}

func (m *Metrics) edges() {
	seconds := []float64{.001, .005, .01, .05, .1, .5, 1, 5, 30, 120, 600}
	m.RelayOpen = prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: "relay_connections", Help: "Open connections to KMS."})
	m.register("relay_connections", m.RelayOpen)
	m.RelayConns = m.counter("relay_connections_total", "Connections asked for, by outcome.", "outcome")
	m.RelayBytes = m.counter("relay_bytes_total", "TLS bytes carried; out is towards KMS.", "direction")
	m.Credentials = m.counter("credentials_requests_total", "Credentials asked for by enclaves, by outcome.", "outcome")
	m.CredentialsRefused = m.counter("credentials_refused_total", "Reports of enclaves that KMS refused the credentials, by what the source gave then.", "outcome")
	m.Requests = m.counter("http_requests_total", "Requests answered.", "route", "status")
	m.Connections = m.gauges("http_connections", "Open HTTP connections of a tenant; of clients that have not authenticated when the label is empty.", "tenant")
	m.ConnectionsClosed = m.counter("http_connections_closed_total", "Connections closed to make room for others.", "reason")
	m.ConnectionsRefused = m.counter("http_connections_refused_total", "Requests refused because all of the tenant's connections were in use.", "tenant")
	m.RequestSeconds = m.histogram("http_request_seconds", "Time to answer, bodies included.", seconds, "route")
}

// Names returns the full names of all metrics of this package, so that a test can hold OPERATING.md
// to them.
func (m *Metrics) Names() []string { return m.names }

// Handler serves the metrics. They are gathered into memory first: clients that read slowly would
// else hold the few places for gathering, and keep the scraper from its answer.
func (m *Metrics) Handler() http.Handler {
	gather := promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b := &buffered{header: w.Header(), status: http.StatusOK}
		gather.ServeHTTP(b, r)
		w.WriteHeader(b.status)
		w.Write(b.Bytes()) // the client may be gone
	})
}

// buffered is an http.ResponseWriter in memory.
type buffered struct {
	bytes.Buffer
	header http.Header
	status int
}

// Header implements http.ResponseWriter.
func (b *buffered) Header() http.Header { return b.header }

// WriteHeader implements http.ResponseWriter.
func (b *buffered) WriteHeader(status int) { b.status = status }

func (m *Metrics) counter(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	m.register(name, v)
	return v
}

func (m *Metrics) plainCounter(name, help string) prometheus.Counter {
	v := prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
	m.register(name, v)
	return v
}

func (m *Metrics) gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
	m.register(name, v)
	return v
}

func (m *Metrics) histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
	m.register(name, v)
	return v
}

func (m *Metrics) function(name, help string, f func() float64) {
	m.register(name, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, f))
}

func (m *Metrics) register(name string, c prometheus.Collector) {
	m.names = append(m.names, namespace+"_"+name)
	m.registry.MustRegister(c)
}
