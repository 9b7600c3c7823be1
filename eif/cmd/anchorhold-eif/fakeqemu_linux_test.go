package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"anchorhold/eif/emulate/guesttest"
	"anchorhold/protocol/event"
	"anchorhold/protocol/transport"
)

func init() { commands["qemu-system-x86_64"] = fakeQEMU }

// fakeQEMU is QEMU as far as the emulator sees it, with a guest that does what the image's kernel
// says: a line is one of
//
//	print TEXT | heartbeat | unanswered | event NAME | gasp NAME |
//	flood NAME | serve | hang | exit CODE
func fakeQEMU() {
	if len(os.Args) == 3 && os.Args[2] == "help" {
		fmt.Println("nitro-enclave        AWS Nitro Enclave")
		fmt.Println(`name "vhost-user-device", bus virtio-bus`)
		return
	}
	g := &fakeGuest{}
	defer g.end()
	script, err := os.ReadFile(g.option("-kernel"))
	if err != nil {
		g.Fatal(err)
	}
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: g.option("socket,id=vsock,path="), Net: "unix"})
	if err != nil {
		g.Fatal(err)
	}
	monitor := guesttest.Attach(g, conn, 2)
	cid := monitor.Ask(24, append([]byte{0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0}, make([]byte, 8)...))
	g.socket = &guesttest.Socket{Guest: monitor, CID: binary.LittleEndian.Uint64(cid[12:])}
	monitor.Start()
	g.socket.Fill()
	fmt.Println("pid", os.Getpid())
	fmt.Println("context id", g.socket.CID)
	for line := range strings.Lines(string(script)) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		g.do(word, rest)
	}
}

// fakeGuest is the guest, and what takes a test's place for it.
type fakeGuest struct {
	socket   *guesttest.Socket
	port     uint32 // its last own port
	cleanups []func()
}

func (g *fakeGuest) Helper()                           {}
func (g *fakeGuest) Cleanup(f func())                  { g.cleanups = append(g.cleanups, f) }
func (g *fakeGuest) Fatalf(format string, args ...any) { g.Fatal(fmt.Sprintf(format, args...)) }
func (g *fakeGuest) Fatal(args ...any) {
	fmt.Fprintln(os.Stderr, append([]any{"fake QEMU:"}, args...)...)
	os.Exit(99)
}

func (g *fakeGuest) end() {
	for i := len(g.cleanups) - 1; i >= 0; i-- {
		g.cleanups[i]()
	}
}

// option returns what follows on the command line, in the same argument or the next.
func (g *fakeGuest) option(name string) string {
	for i, a := range os.Args {
		if rest, ok := strings.CutPrefix(a, name); ok && rest != "" {
			return rest
		} else if ok && i+1 < len(os.Args) {
			return os.Args[i+1]
		}
	}
	g.Fatal("no " + name)
	return ""
}

// do carries out one line.
func (g *fakeGuest) do(word, rest string) {
	switch word {
	case "print":
		fmt.Println(rest)
	case "heartbeat", "unanswered":
		port := g.dial(transport.HeartbeatPort, []byte{0xb7})
		if word == "heartbeat" {
			g.socket.Want(guesttest.Data, port)
		}
	case "flood":
		for range 300 {
			g.do("event", rest)
		}
	case "event", "gasp":
		port := g.event(rest)
		// The program waits until it has been heard, or one event could overtake another; a
		// kernel's last gasp does not.
		for word == "event" {
			if p := g.socket.Receive(); p.Op == guesttest.Shutdown && p.DstPort == port {
				break
			}
		}
	case "serve":
		g.serve()
	case "hang":
		time.Sleep(time.Hour)
	case "exit":
		code, err := strconv.Atoi(rest)
		if err != nil {
			g.Fatal(err)
		}
		os.Exit(code)
	default:
		g.Fatal("unknown line " + word)
	}
}

func (g *fakeGuest) send(p guesttest.Packet) {
	p.Window = 1 << 20
	g.socket.Send(p)
}

// dial connects to a port of the parent and says something.
func (g *fakeGuest) dial(port uint32, word []byte) uint32 {
	g.port++
	g.send(guesttest.Packet{SrcPort: g.port, DstPort: port, Op: guesttest.Request})
	for p := g.socket.Receive(); p.Op != guesttest.Response || p.DstPort != g.port; p = g.socket.Receive() {
		if p.DstPort == g.port {
			g.Fatal("the connection was refused")
		}
	}
	g.send(guesttest.Packet{SrcPort: g.port, DstPort: port, Op: guesttest.Data, Payload: word})
	return g.port
}

// event says an event and no more.
func (g *fakeGuest) event(name string) (port uint32) {
	for code, n := range event.Codes() {
		if n == name {
			port = g.dial(transport.EventPort, event.Encode(code))
			g.send(guesttest.Packet{SrcPort: port, DstPort: transport.EventPort, Op: guesttest.Shutdown, Flags: 2})
		}
	}
	if port == 0 {
		g.Fatal("no event " + name)
	}
	return port
}

// serve takes one connection to the job port and sends back what comes first. One that the device
// has given up, because this machine is slow, is not the one.
func (g *fakeGuest) serve() {
	var host uint32 // the port at the other end
	for {
		switch p := g.socket.Receive(); {
		case p.DstPort != transport.JobPort:
		case p.Op == guesttest.Request:
			host = p.SrcPort
			g.send(guesttest.Packet{SrcPort: p.DstPort, DstPort: host, Op: guesttest.Response})
		case p.Op == guesttest.Data && p.SrcPort == host:
			g.send(guesttest.Packet{SrcPort: p.DstPort, DstPort: host, Op: guesttest.Data, Forwarded: p.Length, Payload: p.Payload})
			g.send(guesttest.Packet{SrcPort: p.DstPort, DstPort: host, Op: guesttest.Shutdown, Flags: 2, Forwarded: p.Length})
			return
		}
	}
}
