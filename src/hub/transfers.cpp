#include "hub/transfers.h"

#include <curl/curl.h>

#include <algorithm>
#include <mutex>

#include "base/error.h"
#include "hub/url.h"

namespace pome::hub {
namespace {

constexpr std::size_t most_header_bytes = std::size_t{256} << 10;
constexpr long receive_buffer_bytes = 512L << 10;  // the most that libcurl takes

struct HeaderList {
  curl_slist* rows = nullptr;
  ~HeaderList() { curl_slist_free_all(rows); }
  void add(const std::string& row) {
    if (curl_slist* longer = curl_slist_append(rows, row.c_str())) rows = longer;
  }
};

struct Transfer {
  CURL* handle = nullptr;
  Receiver* receiver = nullptr;
  std::string url;
  Proxy proxy;
  HeaderList request_headers;
  Headers headers;
  std::size_t header_bytes = 0;
  std::chrono::steady_clock::time_point last_byte = std::chrono::steady_clock::now();
  bool head_given = false;
  bool stopped = false;       // the receiver has enough
  std::exception_ptr thrown;  // by the receiver
  char error[CURL_ERROR_SIZE] = {};

  // Headers end with an empty line, or where the body begins.
  void give_head() {
    if (head_given) return;
    long status = 0;
    curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200) return;  // 100 Continue and its like: the answer follows
    head_given = true;
    stopped = !receiver->on_head(static_cast<int>(status), headers);
  }
};

// What a receiver throws must not pass through libcurl's C.
template <class Body>
std::size_t guarded(Transfer& transfer, std::size_t size, Body body) {
  try {
    body();
  } catch (...) {
    transfer.thrown = std::current_exception();
  }
  return transfer.stopped || transfer.thrown ? size + 1 : size;  // a size that is not ours ends the transfer
}

std::size_t take_header(char* data, std::size_t, std::size_t size, void* user) {
  Transfer& transfer = *static_cast<Transfer*>(user);
  transfer.last_byte = std::chrono::steady_clock::now();
  return guarded(transfer, size, [&] {
    const std::string_view line(data, size);
    transfer.header_bytes += size;
    if (transfer.header_bytes > most_header_bytes) {
      fail(ErrorKind::network, "{}: more than {} bytes of headers", shown_address(transfer.url),
           most_header_bytes);
    }
    if (line.starts_with("HTTP/")) {
      transfer.headers.clear();
      transfer.head_given = false;
    } else if (line == "\r\n" || line == "\n") {
      transfer.give_head();
    } else {
      transfer.headers.add(line);
    }
  });
}

std::size_t take_body(char* data, std::size_t, std::size_t size, void* user) {
  Transfer& transfer = *static_cast<Transfer*>(user);
  transfer.last_byte = std::chrono::steady_clock::now();
  return guarded(transfer, size, [&] {
    transfer.give_head();
    if (!transfer.stopped) {
      transfer.stopped = !transfer.receiver->on_bytes(std::as_bytes(std::span(data, size)));
    }
  });
}

}  // namespace

struct Transfers::Impl {
  explicit Impl(const Options& given) : options(given), multi(curl_multi_init()) {
    if (multi == nullptr) fail(ErrorKind::resource, "cannot start libcurl");
  }
  ~Impl() {
    for (const auto& transfer : running) curl_multi_remove_handle(multi, transfer->handle);
    for (const auto& transfer : running) curl_easy_cleanup(transfer->handle);
    for (CURL* handle : idle) curl_easy_cleanup(handle);
    curl_multi_cleanup(multi);
  }

  void prepare(Transfer& transfer, const Request& request);
  void finish(CURL* handle, CURLcode code);
  void give_up_stalled();
  std::unique_ptr<Transfer> take(CURL* handle);

  Options options;
  CURLM* multi;
  std::vector<std::unique_ptr<Transfer>> running;
  std::vector<CURL*> idle;
};

void Transfers::Impl::prepare(Transfer& transfer, const Request& request) {
  CURL* const h = transfer.handle;
  curl_easy_reset(h);
  const auto set = [h](CURLoption option, auto value) { curl_easy_setopt(h, option, value); };
  set(CURLOPT_PRIVATE, &transfer);
  set(CURLOPT_URL, transfer.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_HTTP_VERSION,
      static_cast<long>(CURL_HTTP_VERSION_1_1));  // ranges side by side, each on its own line
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_NOBODY, request.head ? 1L : 0L);
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout.count()));
  set(CURLOPT_TCP_KEEPALIVE, 1L);
  set(CURLOPT_BUFFERSIZE, receive_buffer_bytes);
  set(CURLOPT_ERRORBUFFER, transfer.error);
  set(CURLOPT_HEADERFUNCTION, take_header);
  set(CURLOPT_HEADERDATA, &transfer);
  set(CURLOPT_WRITEFUNCTION, take_body);
  set(CURLOPT_WRITEDATA, &transfer);
  set(CURLOPT_USERAGENT, options.user_agent.c_str());
  for (const CURLoption option : {CURLOPT_CAINFO, CURLOPT_PROXY_CAINFO}) {
    if (!options.ca_file.empty()) set(option, options.ca_file.c_str());
  }
  for (const CURLoption option : {CURLOPT_CAPATH, CURLOPT_PROXY_CAPATH}) {
    if (!options.ca_folder.empty()) set(option, options.ca_folder.c_str());
  }
  // An empty name keeps libcurl from looking into the environment itself.
  transfer.proxy = options.proxies.for_url(transfer.url);
  set(CURLOPT_PROXY, transfer.proxy.address.c_str());
  set(CURLOPT_NOPROXY, "");
  set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);  // a proxy's lines are no answer of the host
  transfer.request_headers.add("Accept-Encoding: identity");
  for (const std::string& row : request.headers) transfer.request_headers.add(row);
  if (!options.token.empty() && same_origin(request.url, options.endpoint)) {
    transfer.request_headers.add("Authorization: Bearer " + options.token);
  }
  set(CURLOPT_HTTPHEADER, transfer.request_headers.rows);
}

std::unique_ptr<Transfer> Transfers::Impl::take(CURL* handle) {
  const auto found =
      std::find_if(running.begin(), running.end(), [&](const auto& t) { return t->handle == handle; });
  if (found == running.end()) return nullptr;
  std::unique_ptr<Transfer> transfer = std::move(*found);
  running.erase(found);
  curl_multi_remove_handle(multi, handle);
  idle.push_back(handle);
  return transfer;
}

void Transfers::Impl::finish(CURL* handle, CURLcode code) {
  const std::unique_ptr<Transfer> transfer = take(handle);
  if (!transfer) return;
  if (transfer->thrown) std::rethrow_exception(transfer->thrown);
  if (transfer->stopped) return;
  if (code == CURLE_OK) {
    transfer->give_head();
    if (!transfer->stopped) transfer->receiver->on_end(std::nullopt);
  } else {
    FailedTransfer failed{.url = transfer->url,
                          .proxy = transfer->proxy,
                          .curl_code = code,
                          .detail = transfer->error,
                          .answer_started = transfer->head_given};
    curl_easy_getinfo(handle, CURLINFO_HTTP_CONNECTCODE, &failed.proxy_status);
    transfer->receiver->on_end(describe(failed, options));
  }
}

// libcurl's own limit looks at the average of five seconds.
void Transfers::Impl::give_up_stalled() {
  const auto now = std::chrono::steady_clock::now();
  std::vector<CURL*> stalled;
  for (const auto& transfer : running) {
    if (now - transfer->last_byte > options.stall_timeout) stalled.push_back(transfer->handle);
  }
  for (CURL* handle : stalled) finish(handle, CURLE_OPERATION_TIMEDOUT);
}

Transfers::Transfers(const Options& options) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  impl_ = std::make_unique<Impl>(options);
}

Transfers::~Transfers() = default;

void Transfers::start(const Request& request, Receiver& receiver) {
  const Options& options = impl_->options;
  if (options.offline) {
    throw error(ErrorKind::not_found, "{}: not asked, pome is offline (--offline or HF_HUB_OFFLINE)",
                host_of(request.url));
  }
  auto transfer = std::make_unique<Transfer>();
  if (impl_->idle.empty()) {
    transfer->handle = curl_easy_init();
    if (transfer->handle == nullptr) fail(ErrorKind::resource, "cannot start another transfer");
  } else {
    transfer->handle = impl_->idle.back();
    impl_->idle.pop_back();
  }
  transfer->receiver = &receiver;
  transfer->url = request.url;
  impl_->prepare(*transfer, request);
  curl_multi_add_handle(impl_->multi, transfer->handle);
  impl_->running.push_back(std::move(transfer));
}

void Transfers::cancel(Receiver& receiver) {
  for (const auto& transfer : impl_->running) {
    if (transfer->receiver == &receiver) {
      impl_->take(transfer->handle);
      return;
    }
  }
}

std::size_t Transfers::active() const { return impl_->running.size(); }

void Transfers::step(std::chrono::milliseconds wait) {
  if (impl_->options.cancelled()) throw Error(ErrorKind::interrupted, "interrupted");
  int running = 0;
  curl_multi_perform(impl_->multi, &running);
  int left = 0;
  bool any = false;
  while (const CURLMsg* message = curl_multi_info_read(impl_->multi, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    any = true;
    impl_->finish(message->easy_handle, message->data.result);
  }
  impl_->give_up_stalled();
  if (!any && wait.count() > 0) {
    constexpr int longest_ms = 100;  // to look at cancelled() again
    curl_multi_poll(impl_->multi, nullptr, 0, std::min(longest_ms, static_cast<int>(wait.count())), nullptr);
  }
}

}  // namespace pome::hub
