// A network of machines on one machine, for kernels without netem: a star of links between network
// namespaces, each with a rate, a delay and a queue in each direction. Linux, as root.
//
//   eider_link [--mtu 9000]
//
// Each namespace gets a TUN device, `link0`; this program carries IPv4 packets between them: up the
// sender's link, down the receiver's. A round trip between A and B takes 2 x (delay A + delay B).
// The kernel's own TCP sees it all: handshakes, slow start, loss by a full queue, retransmission.
//
// Commands come on standard input, a line each, answered by a line, `ok ...` or `error ...`:
//
//   add NAME NAMESPACE ADDRESS [SETTINGS]   a link; ADDRESS is IPv4 in a /24 that all share
//   set NAME SETTINGS                       of both directions, but for up= and down=
//   block FROM TO on|off                    drops what FROM sends to TO, and nothing else
//   stats NAME                              packets, bytes and drops of each direction, and packets
//                                           to those whom it may not reach
//   remove NAME
//
// SETTINGS: rate_bytes_s=60000000 (0: no limit)  delay_us=15000  queue_bytes=1800000
//           up=on|off (out of the namespace)  down=on|off (into it)
// The queue is 30 ms of the rate unless it is given. It ends when standard input does, so that it
// never outlives who started it; its devices go with it.
//
// The MTU is 9000 because a packet costs the same whatever its size: with 1500 a stream of 60 MB/s
// through two pipes takes six times the CPU, and the machine that carries the packets is the one
// that is being measured. It is also what machines in one cloud region speak with each other.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <map>
#include <memory>
#include <queue>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipe.h"

namespace eider::bench {
namespace {

constexpr int kMaxPacketsUnderWay = 32768;  // in all pipes together; more are dropped
constexpr int kReadsInARow = 32;            // of one device, before timers get their turn
constexpr double kDefaultQueueSeconds = 0.030;
constexpr int64_t kMinQueuePackets = 16;
constexpr int kDeviceQueuePackets = 5000;
// A packet may be delivered early by this part of its way, so that one wake-up serves several: at
// 60 MB/s there is one each 150 us, and waking costs more than carrying. The rate stays exact.
constexpr int64_t kEarlyPart = 16;
constexpr int64_t kMaxEarlyNs = 1'000'000;
constexpr int kIpv4HeaderBytes = 20;
constexpr int kDestinationOffset = 16;  // in an IPv4 header

int64_t NowNs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

[[noreturn]] void Fail(const std::string& what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileDescriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

FileDescriptor Opened(const std::string& path, int flags) {
  FileDescriptor fd(open(path.c_str(), flags | O_CLOEXEC));
  if (fd.get() < 0) Fail(path);
  return fd;
}

// This thread is in another network namespace while it lives.
class Inside {
 public:
  explicit Inside(const std::string& name) : home_(Opened("/proc/thread-self/ns/net", O_RDONLY)) {
    const FileDescriptor there = Opened("/run/netns/" + name, O_RDONLY);
    if (setns(there.get(), CLONE_NEWNET) != 0) Fail("namespace " + name);
  }
  ~Inside() {
    // Without a way back every later command would act in the wrong namespace.
    if (setns(home_.get(), CLONE_NEWNET) != 0) std::abort();
  }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  FileDescriptor home_;
};

void Configure(int socket, ifreq request, unsigned long what, const char* name) {
  std::strncpy(request.ifr_name, "link0", IFNAMSIZ - 1);
  if (ioctl(socket, what, &request) != 0) Fail(name);
}

// A TUN device `link0` in the namespace, up, with its address.
FileDescriptor OpenDevice(const std::string& name, in_addr address, int mtu) {
  const Inside inside(name);
  FileDescriptor device = Opened("/dev/net/tun", O_RDWR | O_NONBLOCK);
  ifreq request{};
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  Configure(device.get(), request, TUNSETIFF, "TUNSETIFF");

  const FileDescriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  request = {};
  request.ifr_mtu = mtu;
  Configure(socket.get(), request, SIOCSIFMTU, "mtu");
  request = {};
  request.ifr_qlen = kDeviceQueuePackets;
  Configure(socket.get(), request, SIOCSIFTXQLEN, "txqueuelen");
  request = {};
  auto* where = reinterpret_cast<sockaddr_in*>(&request.ifr_addr);
  where->sin_family = AF_INET;
  where->sin_addr = address;
  Configure(socket.get(), request, SIOCSIFADDR, "address");
  where->sin_addr.s_addr = htonl(0xffffff00);
  Configure(socket.get(), request, SIOCSIFNETMASK, "netmask");
  request = {};
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  Configure(socket.get(), request, SIOCSIFFLAGS, "up");
  return device;
}

struct Link {
  std::string name;
  FileDescriptor device;
  in_addr address{};
  Pipe up;                         // out of the namespace
  Pipe down;                       // into it
  std::set<uint32_t> unreachable;  // addresses, in network order
  int64_t blocked = 0;             // packets to those
};
using LinkPtr = std::shared_ptr<Link>;

// A packet on its way: up to the hub, then down to its receiver.
struct Packet {
  int64_t due_ns = 0;
  int64_t early_ns = 0;  // it may be delivered that much before
  int64_t number = 0;
  bool down = false;
  LinkPtr to;
  std::vector<uint8_t> bytes;
};
struct Later {
  bool operator()(const std::unique_ptr<Packet>& a, const std::unique_ptr<Packet>& b) const {
    return std::pair(a->due_ns, a->number) > std::pair(b->due_ns, b->number);
  }
};

double Number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) {
    throw std::runtime_error("not a number: " + std::string(text));
  }
  return value;
}

bool OnOff(std::string_view text) {
  if (text != "on" && text != "off")
    throw std::runtime_error("on or off, not " + std::string(text));
  return text == "on";
}

class Star {
 public:
  explicit Star(int mtu) : mtu_(mtu), buffer_(static_cast<size_t>(mtu)) {}

  // Until standard input ends or a signal says so.
  void Run();

 private:
  std::string Obey(const std::string& line);
  std::string Add(std::istringstream& words);
  std::string Stats(const Link& link) const;
  void Settle(Link& link, std::istringstream& words) const;
  const LinkPtr& Find(const std::string& name) const;

  void ReadCommands();
  void ReadDevice(const LinkPtr& link);
  void Send(std::unique_ptr<Packet> packet, Pipe& pipe, int64_t now_ns);
  void DeliverDue();
  void SetTimer();
  void Watch(int fd, uint64_t key);

  const int mtu_;
  bool ended_ = false;
  std::string input_;
  std::vector<uint8_t> buffer_;
  std::map<uint32_t, LinkPtr> links_;  // by address, in network order: how packets find their way
  std::priority_queue<std::unique_ptr<Packet>, std::vector<std::unique_ptr<Packet>>, Later>
      under_way_;
  std::vector<std::unique_ptr<Packet>> spare_;
  int64_t packets_seen_ = 0;
  int64_t timer_set_ns_ = 0;
  FileDescriptor epoll_{epoll_create1(EPOLL_CLOEXEC)};
  FileDescriptor timer_{timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)};
};

// Keys of epoll beside the links' addresses, which have 32 bits.
constexpr uint64_t kInputKey = uint64_t{1} << 32;
constexpr uint64_t kTimerKey = uint64_t{2} << 32;
constexpr uint64_t kSignalKey = uint64_t{3} << 32;

void Star::Watch(int fd, uint64_t key) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = key;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) Fail("epoll");
}

const LinkPtr& Star::Find(const std::string& name) const {
  for (const auto& [address, link] : links_) {
    if (link->name == name) return link;
  }
  throw std::runtime_error("no link " + name);
}

void Star::Settle(Link& link, std::istringstream& words) const {
  PipeOptions up = link.up.options();
  PipeOptions down = link.down.options();
  bool queue_given = false;
  for (std::string word; words >> word;) {
    const size_t mark = word.find('=');
    const std::string name = word.substr(0, mark);
    const std::string value = mark == std::string::npos ? "" : word.substr(mark + 1);
    if (name == "rate_bytes_s") {
      up.rate_bytes_s = down.rate_bytes_s = Number(value);
    } else if (name == "delay_us") {
      up.delay_ns = down.delay_ns = static_cast<int64_t>(Number(value) * 1000);
    } else if (name == "queue_bytes") {
      up.queue_bytes = down.queue_bytes = static_cast<int64_t>(Number(value));
      queue_given = true;
    } else if (name == "up") {
      up.on = OnOff(value);
    } else if (name == "down") {
      down.on = OnOff(value);
    } else {
      throw std::runtime_error("no setting " + name);
    }
  }
  if (!queue_given) {
    up.queue_bytes = down.queue_bytes = std::max(
        static_cast<int64_t>(up.rate_bytes_s * kDefaultQueueSeconds), kMinQueuePackets * mtu_);
  }
  const int64_t now_ns = NowNs();
  link.up.Set(up, now_ns);
  link.down.Set(down, now_ns);
}

std::string Star::Add(std::istringstream& words) {
  auto link = std::make_shared<Link>();
  std::string space;
  std::string address;
  words >> link->name >> space >> address;
  if (inet_pton(AF_INET, address.c_str(), &link->address) != 1) {
    throw std::runtime_error("no IPv4 address: " + address);
  }
  if (links_.contains(link->address.s_addr)) throw std::runtime_error(address + " is taken");
  Settle(*link, words);
  link->device = OpenDevice(space, link->address, mtu_);
  Watch(link->device.get(), link->address.s_addr);
  links_[link->address.s_addr] = link;
  return "";
}

std::string Star::Stats(const Link& link) const {
  std::ostringstream out;
  for (const auto& [name, pipe] : {std::pair("up", &link.up), std::pair("down", &link.down)}) {
    const PipeCounters& counters = pipe->counters();
    out << ' ' << name << "_packets=" << counters.packets << ' ' << name
        << "_bytes=" << counters.bytes << ' ' << name << "_dropped_full=" << counters.dropped_full
        << ' ' << name << "_dropped_cut=" << counters.dropped_cut;
  }
  out << " blocked=" << link.blocked;
  return out.str();
}

// The answer, with a space before it where it says anything.
std::string Star::Obey(const std::string& line) {
  std::istringstream words(line);
  std::string command;
  std::string name;
  words >> command;
  if (command == "add") return Add(words);
  words >> name;
  if (command == "set") {
    Settle(*Find(name), words);
    return "";
  }
  if (command == "block") {
    std::string to;
    std::string state;
    words >> to >> state;
    auto& unreachable = Find(name)->unreachable;
    const uint32_t address = Find(to)->address.s_addr;
    if (OnOff(state)) {
      unreachable.insert(address);
    } else {
      unreachable.erase(address);
    }
    return "";
  }
  if (command == "stats") return Stats(*Find(name));
  if (command == "remove") {
    const LinkPtr link = Find(name);
    links_.erase(link->address.s_addr);
    link->device = FileDescriptor();  // closed here: packets that hold the link may still be due
    return "";
  }
  throw std::runtime_error("no command " + command);
}

void Star::ReadCommands() {
  char bytes[4096];
  const ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
  if (count <= 0) {
    ended_ = true;
    return;
  }
  input_.append(bytes, static_cast<size_t>(count));
  for (size_t end; (end = input_.find('\n')) != std::string::npos; input_.erase(0, end + 1)) {
    std::string answer = "ok";
    try {
      answer += Obey(input_.substr(0, end));
    } catch (const std::exception& error) {
      answer = std::string("error ") + error.what();
    }
    std::puts(answer.c_str());
  }
  std::fflush(stdout);
}

void Star::Send(std::unique_ptr<Packet> packet, Pipe& pipe, int64_t now_ns) {
  const auto due_ns = pipe.Take(static_cast<int64_t>(packet->bytes.size()), now_ns);
  if (!due_ns) {
    spare_.push_back(std::move(packet));
    return;
  }
  packet->due_ns = *due_ns;
  packet->early_ns = std::min((*due_ns - now_ns) / kEarlyPart, kMaxEarlyNs);
  packet->number = packets_seen_++;
  under_way_.push(std::move(packet));
}

void Star::ReadDevice(const LinkPtr& link) {
  for (int i = 0; i < kReadsInARow; ++i) {
    const ssize_t count = read(link->device.get(), buffer_.data(), buffer_.size());
    if (count < 0) {
      if (errno == EAGAIN || errno == EINTR) return;
      links_.erase(link->address.s_addr);  // its namespace is gone
      epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, link->device.get(), nullptr);
      return;
    }
    if (count < kIpv4HeaderBytes || buffer_[0] >> 4 != 4) continue;
    uint32_t destination = 0;
    std::memcpy(&destination, &buffer_[kDestinationOffset], sizeof destination);
    const auto to = links_.find(destination);
    if (link->unreachable.contains(destination)) {
      ++link->blocked;
      continue;
    }
    if (to == links_.end() || under_way_.size() >= kMaxPacketsUnderWay) continue;
    if (spare_.empty()) spare_.push_back(std::make_unique<Packet>());
    auto packet = std::move(spare_.back());
    spare_.pop_back();
    packet->bytes.assign(buffer_.begin(), buffer_.begin() + count);
    packet->to = to->second;
    packet->down = false;
    Send(std::move(packet), link->up, NowNs());
  }
}

void Star::DeliverDue() {
  const int64_t now_ns = NowNs();
  while (!under_way_.empty() && under_way_.top()->due_ns - under_way_.top()->early_ns <= now_ns) {
    // A priority_queue gives only const access to what it is about to drop.
    auto packet = std::move(const_cast<std::unique_ptr<Packet>&>(under_way_.top()));
    under_way_.pop();
    if (!packet->down) {
      // The time at which it was due, not the time at which this thread got to it: lateness of one
      // packet is not passed on to those behind it, and the rate is right on the average.
      const int64_t due_ns = packet->due_ns;
      Pipe& pipe = packet->to->down;
      packet->down = true;
      Send(std::move(packet), pipe, due_ns);
      continue;
    }
    const int device = packet->to->device.get();
    // A receiver that takes nothing (its namespace is going) loses its packets, as on a wire.
    if (device >= 0 && write(device, packet->bytes.data(), packet->bytes.size()) < 0) {
    }
    packet->to.reset();
    spare_.push_back(std::move(packet));
  }
}

void Star::SetTimer() {
  const int64_t next_ns = under_way_.empty() ? 0 : under_way_.top()->due_ns;
  if (next_ns == timer_set_ns_) return;
  timer_set_ns_ = next_ns;
  itimerspec when{};  // zero: none
  when.it_value = {next_ns / 1'000'000'000, next_ns % 1'000'000'000};
  timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

void Star::Run() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, number);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  const FileDescriptor signal(signalfd(-1, &signals, SFD_CLOEXEC));
  Watch(signal.get(), kSignalKey);
  Watch(STDIN_FILENO, kInputKey);
  Watch(timer_.get(), kTimerKey);
  while (!ended_) {
    epoll_event events[16];
    const int count = epoll_wait(epoll_.get(), events, 16, -1);
    for (int i = 0; i < count; ++i) {
      const uint64_t key = events[i].data.u64;
      if (key == kInputKey) {
        ReadCommands();
      } else if (key == kTimerKey) {
        uint64_t expirations = 0;
        if (read(timer_.get(), &expirations, sizeof expirations) > 0) timer_set_ns_ = 0;
      } else if (key == kSignalKey) {
        // Ctrl-C goes to the whole terminal; who started this decides when its network ends.
        signalfd_siginfo info{};
        if (read(signal.get(), &info, sizeof info) > 0 && info.ssi_signo != SIGINT) ended_ = true;
      } else if (const auto link = links_.find(static_cast<uint32_t>(key)); link != links_.end()) {
        ReadDevice(LinkPtr(link->second));
      }
      DeliverDue();
    }
    SetTimer();
  }
}

}  // namespace
}  // namespace eider::bench

int main(int count, char** words) {
  int mtu = 9000;
  if (count == 3 && std::string_view(words[1]) == "--mtu") mtu = std::atoi(words[2]);
  if ((count != 1 && count != 3) || mtu < 576 || mtu > 65535) {
    std::fputs("usage: eider_link [--mtu 576..65535]; commands come on standard input\n", stderr);
    return 2;
  }
  // A wire does not wait for a core. Where this is not permitted it has to.
  const sched_param priority{.sched_priority = 1};
  if (sched_setscheduler(0, SCHED_RR, &priority) != 0) setpriority(PRIO_PROCESS, 0, -15);
  try {
    eider::bench::Star(mtu).Run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "eider_link: %s\n", error.what());
    return 1;
  }
  return 0;
}
