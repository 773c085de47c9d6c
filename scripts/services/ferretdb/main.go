// FerretDB with its store in SQLite on 127.0.0.1, for tests. Guarantee: an update sees all of the one before
// it, and nothing leaves the machine: embedded like this, FerretDB has no telemetry and no debug handler.
//
// FerretDB 1 alone reads a document and writes it back with no lock between, so that of two updates at the same
// time one would be lost. Its clients are therefore served through a relay in which updates take turns.
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/url"
	"os/signal"
	"sync"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

const (
	headerBytes     = 16
	messageBytesMax = 64 << 20
	opMsg           = 2013
	// A client that asks for no acknowledgement sets it, and gets no answer.
	moreToCome = 2
	// Where the name of a command begins: header, flags, kind of section, length and type of the first field.
	nameAt = headerBytes + 4 + 1 + 4 + 1
)

// Everything that reads before it writes.
var takesTurns = map[string]bool{"update": true, "delete": true, "findAndModify": true}

func main() {
	dir := flag.String("dir", "", "existing folder for the data")
	port := flag.Int("port", 0, "port on 127.0.0.1")
	flag.Parse()
	if err := run(*dir, *port); err != nil {
		log.Fatal(err)
	}
}

func run(dir string, port int) error {
	server, err := ferretdb.New(&ferretdb.Config{
		Listener: ferretdb.ListenerConfig{TCP: "127.0.0.1:0"},
		Handler:  "sqlite",
		// What was acknowledged is on disk.
		SQLiteURL: "file:" + dir + "/?_pragma=synchronous(full)",
	})
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	ended := make(chan error)
	go func() { ended <- server.Run(ctx) }()
	address, err := url.Parse(server.MongoDBURI())
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	go accept(listener, &relay{address: address.Host})
	return <-ended
}

func accept(listener net.Listener, relay *relay) {
	for {
		client, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go relay.serve(client)
	}
}

type relay struct {
	address string
	turn    sync.Mutex
}

// serve relays one client's commands until one of the two sides closes.
func (r *relay) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", r.address)
	if err != nil {
		log.Print(err)
		return
	}
	defer server.Close()
	for {
		command, err := read(client)
		if err != nil {
			return
		}
		answer, err := r.exchange(server, command)
		if err != nil {
			return
		}
		if _, err := client.Write(answer); err != nil {
			return
		}
	}
}

func (r *relay) exchange(server net.Conn, command []byte) ([]byte, error) {
	// The first messages of a connection may be of an older kind, which always gets an answer.
	isMsg := len(command) > nameAt && binary.LittleEndian.Uint32(command[12:]) == opMsg
	if isMsg {
		name, _, _ := bytes.Cut(command[nameAt:], []byte{0})
		if takesTurns[string(name)] {
			r.turn.Lock()
			defer r.turn.Unlock()
		}
	}
	if _, err := server.Write(command); err != nil {
		return nil, err
	}
	if isMsg && binary.LittleEndian.Uint32(command[headerBytes:])&moreToCome != 0 {
		return nil, nil
	}
	return read(server)
}

// read answers one whole message of the protocol; its first field is its length.
func read(from io.Reader) ([]byte, error) {
	var header [headerBytes]byte
	if _, err := io.ReadFull(from, header[:]); err != nil {
		return nil, err
	}
	length := binary.LittleEndian.Uint32(header[:])
	if length < headerBytes || length > messageBytesMax {
		return nil, fmt.Errorf("a message of %d bytes", length)
	}
	message := make([]byte, length)
	copy(message, header[:])
	_, err := io.ReadFull(from, message[headerBytes:])
	return message, err
}
