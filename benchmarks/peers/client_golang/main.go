// client_golang in two parts. "serve PORT FILE" serves the samples of a file in the text format as const metrics, one
// family a name, as a Go exporter with data from elsewhere would. "read URL" scrapes once as Prometheus does, through
// Go's own gzip reader, and prints the number of samples.
package main

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

var pair = regexp.MustCompile(`(\w+)="((?:[^"\\]|\\.)*)"`)

type sample struct {
	labels []string
	value  float64
}

type family struct {
	description *prometheus.Desc
	samples     []sample
}

func (f *family) Describe(descriptions chan<- *prometheus.Desc) { descriptions <- f.description }

func (f *family) Collect(metrics chan<- prometheus.Metric) {
	for _, s := range f.samples {
		metrics <- prometheus.MustNewConstMetric(f.description, prometheus.GaugeValue, s.value, s.labels...)
	}
}

// load makes a collector of each name in the file.
func load(path string) []*family {
	file, err := os.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	known, all := map[string]*family{}, []*family{}
	lines := bufio.NewScanner(file)
	lines.Buffer(make([]byte, 1<<20), 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		end := strings.LastIndexByte(line, ' ')
		value, err := strconv.ParseFloat(line[end+1:], 64)
		if err != nil {
			log.Fatal(err)
		}
		name := line[:strings.IndexAny(line, "{ ")]
		var keys, values []string
		for _, found := range pair.FindAllStringSubmatch(line[:end], -1) {
			keys, values = append(keys, found[1]), append(values, found[2])
		}
		if known[name] == nil {
			known[name] = &family{description: prometheus.NewDesc(name, "Peer.", keys, nil)}
			all = append(all, known[name])
		}
		known[name].samples = append(known[name].samples, sample{values, value})
	}
	return all
}

func serve(port, path string) {
	registry := prometheus.NewRegistry()
	for _, f := range load(path) {
		registry.MustRegister(f)
	}
	http.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	log.Fatal(http.ListenAndServe("127.0.0.1:"+port, nil))
}

func read(url string) {
	request, err := http.NewRequest("GET", url, nil)
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("Accept-Encoding", "gzip")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	packed := bufio.NewReader(answer.Body)
	reader, err := gzip.NewReader(packed)
	if err != nil {
		log.Fatal(err)
	}
	reader.Multistream(false)
	text, err := io.ReadAll(reader)
	if err != nil {
		log.Fatal(err)
	}
	if rest, _ := io.ReadAll(packed); len(rest) > 0 {
		log.Fatalf("%d bytes after the first member", len(rest))
	}
	samples := 0
	for _, line := range strings.Split(string(text), "\n") {
		if line != "" && line[0] != '#' {
			samples++
		}
	}
	fmt.Println(samples)
}

func main() {
	switch os.Args[1] {
	case "serve":
		serve(os.Args[2], os.Args[3])
	case "read":
		read(os.Args[2])
	}
}
