#include "hub/download.h"

#include <algorithm>
#include <deque>

#include "base/error.h"
#include "hub/names.h"
#include "hub/partial.h"
#include "hub/status.h"
#include "hub/url.h"

namespace pome::hub {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t least_span_bytes = 4 * block_bytes;
constexpr std::uint64_t most_span_bytes = segment_bytes;
// What arrives comes in pieces of a few KiB, and the page cache keeps a file in pages as large as its writes.
// Weights in pages of 4 KiB are read a fifth slower than in those of 64 KiB and more
// (docs/design/downloads.md); 256 KiB stay in the second-level cache until they are written. A part of a
// block.
constexpr std::uint64_t write_bytes = std::uint64_t{256} << 10;
constexpr std::uint64_t most_error_bytes = std::uint64_t{1} << 20;

// One file on its way.
class Fetch {
 public:
  Fetch(Hub& hub, Transfers& transfers, const Download& download, Partial& partial, int connections,
        Received& received)
      : hub_(hub),
        transfers_(transfers),
        download_(download),
        partial_(partial),
        connections_(connections),
        received_(received),
        retries_(hub.options()) {}

  ~Fetch() {
    for (const auto& range : ranges_) transfers_.cancel(*range);
  }

  void run();

 private:
  // A stretch of the file, and the requests for it until it is there.
  struct Range : Receiver {
    Range(Fetch& owner, Span wanted) : fetch(owner), span(wanted) {}

    bool on_head(int status, const Headers& headers) override {
      return fetch.on_head(*this, status, headers);
    }
    bool on_bytes(std::span<const std::byte> bytes) override { return fetch.on_bytes(*this, bytes); }
    void on_end(const std::optional<Failure>& failure) override { fetch.on_end(*this, failure); }

    Fetch& fetch;
    Span span;                    // what has still to arrive; begin moves on
    std::vector<std::byte> held;  // has arrived and is not written yet: the bytes before span.begin
    std::string url;              // asked last
    int redirects = 0;            // since the last answer with content
    int answered = 0;             // status of the answer
    Headers lines;                // its headers
    std::uint64_t skipped = 0;    // bytes of an answer without content
    bool asked = false;           // a request is on its way
    bool finished = false;
    Clock::time_point not_before{};
  };

  bool is_content(const Range& range) const { return range.answered == 200 || range.answered == 206; }
  void give_out_spans();
  void ask(Range& range);
  bool on_head(Range& range, int status, const Headers& headers);
  bool on_bytes(Range& range, std::span<const std::byte> bytes);
  void on_end(Range& range, const std::optional<Failure>& failure);
  void hold(Range& range, std::span<const std::byte> bytes);
  void write_held(Range& range);
  void on_refusal(Range& range);
  void retry(Range& range, std::optional<std::chrono::milliseconds> wait, const Error& otherwise);
  void take_whole(Range& range);
  void check_identity(const Range& range, const Headers& headers) const;
  Error broken(std::string_view what) const {
    return error(ErrorKind::network, "{}: {} {}", download_.subject, host_of(content_url_), what);
  }

  Hub& hub_;
  Transfers& transfers_;
  const Download& download_;
  Partial& partial_;
  int connections_;
  Received& received_;
  Retries retries_;
  bool located_ = false;                         // some answer came with content, or told where it is
  std::string content_url_ = download_.address;  // where the Hub's redirects led
  std::deque<Span> free_;
  std::vector<std::unique_ptr<Range>> ranges_;
};

void Fetch::give_out_spans() {
  for (const auto& range : ranges_) {
    if (range->finished && range->asked) transfers_.cancel(*range);
  }
  std::erase_if(ranges_, [](const auto& range) { return range->finished; });
  // The first answer tells where the content is; the others wait for it.
  const std::size_t most_ranges = located_ ? static_cast<std::size_t>(connections_) : 1;
  while (!free_.empty() && ranges_.size() < most_ranges) {
    std::uint64_t left = 0;
    for (const Span& span : free_) left += span.size();
    // Shorter ones towards the end, so that all connections end together.
    const std::uint64_t fair =
        left / (2 * static_cast<std::uint64_t>(connections_)) / block_bytes * block_bytes;
    const std::uint64_t most = std::clamp(fair, least_span_bytes, most_span_bytes);
    Span& first = free_.front();
    const Span span{first.begin, std::min(first.begin + most, first.end)};
    first.begin = span.end;
    if (first.begin == first.end) free_.pop_front();
    ranges_.push_back(std::make_unique<Range>(*this, span));
  }
}

void Fetch::run() {
  for (const Span& span : partial_.missing()) free_.push_back(span);
  while (true) {
    give_out_spans();
    if (ranges_.empty()) return;
    const auto now = Clock::now();
    for (const auto& range : ranges_) {
      if (!range->asked && now >= range->not_before) ask(*range);
    }
    transfers_.step(std::chrono::milliseconds(50));
  }
}

void Fetch::ask(Range& range) {
  range.asked = true;
  range.answered = 0;
  range.skipped = 0;
  if (range.redirects == 0) range.url = content_url_;
  Request request{.url = range.url, .head = false, .headers = {}};
  // A small file is asked for as a whole: some servers know no ranges of what they compress.
  if (range.span.size() < download_.size_bytes) {
    request.headers.push_back(fmt::format("Range: bytes={}-{}", range.span.begin, range.span.end - 1));
  }
  transfers_.start(request, range);
}

// The Hub names what it is about to send: it must be what its list of files said.
void Fetch::check_identity(const Range& range, const Headers& headers) const {
  if (!same_origin(range.url, hub_.options().endpoint)) return;
  const auto linked = headers.find("x-linked-etag"), plain = headers.find("etag");
  const std::string etag = parse_etag(linked.value_or(plain.value_or("")));
  const auto commit = headers.find("x-repo-commit");
  if (commit && *commit != download_.commit) {
    fail(ErrorKind::corrupt, "{}: asked for commit {}, the Hub sends \"{}\"", download_.subject,
         download_.commit, shown_text(*commit));
  }
  // Mirrors may have tags of their own for what they send themselves.
  if (etag != download_.etag && (linked || is_blob_name(etag))) {
    throw error(ErrorKind::corrupt,
                "{}: listed with digest {}, now sent with \"{}\"; nothing of it was linked",
                download_.subject, download_.etag, shown_text(etag))
        .with_hint("ask again: it may have changed meanwhile");
  }
}

bool Fetch::on_head(Range& range, int status, const Headers& headers) {
  if (range.finished) return false;
  range.answered = status;
  range.lines = headers;
  if (status < 400) check_identity(range, headers);
  if (!is_content(range)) return true;  // a short body follows, and the connection can be kept
  range.redirects = 0;
  located_ = true;
  const auto length = headers.find("content-length");
  if (status == 206) {
    const auto sent = parse_content_range(headers.find("content-range").value_or(""));
    if (!sent || sent->first != range.span.begin || sent->last >= range.span.end ||
        sent->total.value_or(download_.size_bytes) != download_.size_bytes) {
      throw broken(fmt::format("was asked for bytes {} to {} of {}, and sends others", range.span.begin,
                               range.span.end - 1, download_.size_bytes));
    }
    return true;
  }
  if (length && parse_size(*length) != download_.size_bytes) {
    throw broken(fmt::format("sends {} bytes, {} were listed", shown_text(*length), download_.size_bytes));
  }
  take_whole(range);
  return true;
}

// The answer is all of the file, whatever was asked for: nobody else needs to ask.
void Fetch::take_whole(Range& range) {
  for (const auto& other : ranges_) {
    if (other.get() == &range) continue;
    other->finished = true;
  }
  free_.clear();
  range.span = {0, download_.size_bytes};
  range.held.clear();
}

bool Fetch::on_bytes(Range& range, std::span<const std::byte> bytes) {
  received_.bytes += bytes.size();
  if (range.finished) return false;
  if (!is_content(range)) {
    range.skipped += bytes.size();
    return range.skipped <= most_error_bytes || (on_end(range, std::nullopt), false);
  }
  if (bytes.size() > range.span.size()) throw broken("sends more bytes than it was asked for");
  hold(range, bytes);
  return true;
}

// Writes what fills a piece, at multiples of its size, and keeps the rest.
void Fetch::hold(Range& range, std::span<const std::byte> bytes) {
  if (range.held.capacity() == 0) range.held.reserve(std::min(range.span.size(), write_bytes));
  while (!bytes.empty()) {
    const std::uint64_t end = std::min((range.span.begin / write_bytes + 1) * write_bytes, range.span.end);
    const auto piece = bytes.first(std::min<std::uint64_t>(bytes.size(), end - range.span.begin));
    range.held.insert(range.held.end(), piece.begin(), piece.end());
    range.span.begin += piece.size();
    bytes = bytes.subspan(piece.size());
    if (range.span.begin == end) write_held(range);
  }
}

void Fetch::write_held(Range& range) {
  partial_.write(range.span.begin - range.held.size(), range.held);
  range.held.clear();
  const bool at_end = range.span.begin == download_.size_bytes;
  if (!at_end && range.span.begin % block_bytes != 0) return;
  const std::uint64_t block = (range.span.begin - 1) / block_bytes;  // is there now
  retries_.progress();
  if (partial_.has(block)) return;
  received_.good += range.span.begin - block * block_bytes;
  partial_.done(block);
}

void Fetch::retry(Range& range, std::optional<std::chrono::milliseconds> wait, const Error& otherwise) {
  if (!wait) throw otherwise;
  range.not_before = Clock::now() + *wait;
}

void Fetch::on_end(Range& range, const std::optional<Failure>& failure) {
  range.asked = false;
  if (range.finished) return;
  if (failure) {
    retry(range, retries_.after(*failure), failure->as_error(download_.subject));
  } else if (is_redirect(range.answered)) {
    const auto location = range.lines.find("location");
    if (!location || ++range.redirects > most_redirects) throw broken("redirects in circles");
    range.url = follow(range.url, *location);
    content_url_ = range.url;
    located_ = true;
  } else if (!is_content(range)) {
    on_refusal(range);
  } else if (range.span.size() == 0) {
    range.finished = true;
  } else {
    const Failure early{.text = fmt::format("{}: the answer ended early", host_of(range.url)),
                        .reached = true};
    retry(range, retries_.after(early), error(ErrorKind::network, "{}: {}", download_.subject, early.text));
  }
}

void Fetch::on_refusal(Range& range) {
  const Answer answer{.status = range.answered, .headers = range.lines, .body = {}, .url = range.url};
  range.redirects = 0;
  if (!same_origin(range.url, hub_.options().endpoint)) {
    // An address of the content is signed for a while only: the Hub gives a new one.
    content_url_ = download_.address;
    if (range.answered < 500 && range.answered != 408 && range.answered != 429) {
      const Failure expired{.text = fmt::format("{}: {}", host_of(range.url), status_text(range.answered)),
                            .reached = true};
      retry(range, retries_.after(expired),
            error(ErrorKind::network, "{}: {}", download_.subject, expired.text));
      return;
    }
  }
  retry(range, retries_.after(range.url, range.answered, range.lines),
        hub_.refusal(answer, download_.subject.substr(0, download_.subject.find(':'))));
}

// Looks for the stretch that came wrong: what a second answer has in another way, by the digest's states
// before and after it. False: both answers are the same everywhere.
bool replace_wrong_segments(Hub& hub, const Download& download, Partial& partial,
                            const std::function<bool()>& wait, Received& received) {
  const std::uint64_t segments = partial.segments();
  for (std::uint64_t segment = 0; segment < segments; ++segment) {
    const std::uint64_t first = segment * segment_bytes;
    const std::uint64_t end = std::min(first + segment_bytes, download.size_bytes);
    const Answer answer = hub.client().fetch({.url = download.address,
                                              .head = false,
                                              .headers = {fmt::format("Range: bytes={}-{}", first, end - 1)}},
                                             {.most_body_bytes = segment_bytes});
    received.bytes += answer.body.size();
    if (answer.status != 206 || answer.body.size() != end - first) return false;
    const std::span<const std::byte> bytes = std::as_bytes(std::span(answer.body));
    const std::string before = partial.state_after(segment), after = partial.state_after(segment + 1);
    if (!after.empty() && (segment == 0 || !before.empty())) {
      Digest digest(*digest_kind(download.etag), download.size_bytes);
      if (segment > 0) digest.resume(before, first);
      digest.update(bytes);
      if (digest.state() == after) continue;
    }
    partial.replace(first, bytes);
    if (partial.verify(wait)) return true;
  }
  return false;
}

}  // namespace

void Downloader::fetch(const Download& download, int connections, Received& received) {
  const Options& options = hub_.options();
  const auto wait = [&] {
    if (options.cancelled()) throw Error(ErrorKind::interrupted, "interrupted");
    return true;
  };
  // True when the file is right; else it is known by then to come wrong each time, or small enough to be
  // fetched once more as a whole.
  const auto attempt = [&](Partial& partial) {
    received.good += partial.bytes_there();
    Fetch(hub_, transfers_, download, partial, std::max(connections, 1), received).run();
    if (partial.verify(wait)) return true;
    options.on_retry({.reason = fmt::format("{}: what arrived has another digest", download.subject),
                      .wait = {},
                      .attempt = 1});
    return partial.segments() > 1 && replace_wrong_segments(hub_, download, partial, wait, received);
  };
  try {
    const int most_tries = download.size_bytes > segment_bytes ? 1 : 2;
    for (int tries = 0; tries < most_tries; ++tries) {
      Partial partial(download.folder, download.etag, download.size_bytes);
      if (attempt(partial)) {
        partial.publish(download.target);
        return;
      }
      received.good -= download.size_bytes;
      partial.discard();
    }
  } catch (Error& e) {
    if (e.kind() == ErrorKind::resource && e.hint().empty()) {
      e.with_hint("free some space and ask again: what has arrived is kept");
    }
    throw;
  }
  throw error(ErrorKind::corrupt, "{}: arrived twice with a digest that is not {}; nothing was linked",
              download.subject, download.etag);
}

}  // namespace pome::hub
