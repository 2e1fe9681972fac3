// Reads evidence as JSON from standard input, and verifies it with the libraries of Go's checksum database.
// Shares nothing with Pelton but the specifications. Exits 0 when everything holds, 1 with the reason when not.
package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type evidence struct {
	Vkey        string
	Entry       []byte
	Proof       string   // c2sp.org/tlog-proof@v1
	Older       string   // an earlier signed checkpoint
	Consistency [][]byte // from the earlier one to the proof's
}

func main() {
	var given evidence
	if err := json.NewDecoder(os.Stdin).Decode(&given); err != nil {
		fail(err)
	}
	if err := check(given); err != nil {
		fail(err)
	}
}

func check(given evidence) error {
	index, path, signed, err := parseProof(given.Proof)
	if err != nil {
		return err
	}
	newer, err := openCheckpoint(given.Vkey, signed)
	if err != nil {
		return err
	}
	if err := tlog.CheckRecord(path, newer.N, newer.Hash, index, tlog.RecordHash(given.Entry)); err != nil {
		return fmt.Errorf("inclusion: %w", err)
	}
	older, err := openCheckpoint(given.Vkey, given.Older)
	if err != nil {
		return err
	}
	var steps tlog.TreeProof
	for _, step := range given.Consistency {
		steps = append(steps, tlog.Hash(step))
	}
	if err := tlog.CheckTree(steps, newer.N, newer.Hash, older.N, older.Hash); err != nil {
		return fmt.Errorf("consistency: %w", err)
	}
	return nil
}

func parseProof(text string) (int64, tlog.RecordProof, string, error) {
	head, checkpoint, found := strings.Cut(text, "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return 0, nil, "", fmt.Errorf("not a proof")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	if err != nil {
		return 0, nil, "", err
	}
	var path tlog.RecordProof
	for _, line := range lines[2:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return 0, nil, "", err
		}
		path = append(path, hash)
	}
	return index, path, checkpoint, nil
}

func openCheckpoint(vkey, signed string) (tlog.Tree, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return tlog.Tree{}, err
	}
	opened, err := note.Open([]byte(signed), note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	return tlog.Tree{N: size, Hash: tlog.Hash(root)}, err
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
