#include "sluice/cli/internal/line_editor.h"

#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <utility>

namespace sluice::cli::internal {

namespace {

constexpr size_t kEntriesMax = 1'000;
constexpr char kEscape = 27;
constexpr char kInEntry = '\x1f';  // Stands for a line's end inside an entry of the file.

constexpr char Control(char letter) { return static_cast<char>(letter & 0x1f); }

/// The terminal hands over each key at once, and shows none.
class RawTerminal {
 public:
  RawTerminal() {
    active_ = tcgetattr(STDIN_FILENO, &before_) == 0;
    if (!active_) return;
    termios raw = before_;
    raw.c_iflag &= ~static_cast<tcflag_t>(BRKINT | ICRNL | INPCK | ISTRIP | IXON);
    raw.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON | IEXTEN | ISIG);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
  }
  ~RawTerminal() {
    if (active_) tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
  }
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

 private:
  termios before_{};
  bool active_ = false;
};

bool ReadKey(char& key) {
  while (true) {
    const ssize_t count = read(STDIN_FILENO, &key, 1);
    if (count == 1) return true;
    if (count == 0 || errno != EINTR) return false;
  }
}

void Print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

bool Continues(char byte) { return (byte & 0xc0) == 0x80; }  // A character of UTF-8.

size_t Characters(std::string_view text) {
  return static_cast<size_t>(
      std::ranges::count_if(text, [](char byte) { return !Continues(byte); }));
}

size_t TerminalWidth() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20) return 80;
  return size.ws_col;
}

}  // namespace

LineEditor::LineEditor(std::string history_file) : history_file_(std::move(history_file)) {
  std::ifstream file(history_file_);
  for (std::string entry; std::getline(file, entry);) {
    std::ranges::replace(entry, kInEntry, '\n');
    history_.push_back(std::move(entry));
  }
}

void LineEditor::Remember(std::string entry) {
  if (entry.empty() || (!history_.empty() && history_.back() == entry)) return;
  history_.push_back(std::move(entry));
  if (history_.size() > kEntriesMax) history_.erase(history_.begin());
}

void LineEditor::Save() const {
  if (history_file_.empty()) return;
  const mode_t before = umask(0077);
  std::ofstream file(history_file_, std::ios::trunc);
  umask(before);
  for (std::string entry : history_) {
    std::ranges::replace(entry, '\n', kInEntry);
    file << entry << '\n';
  }
}

void LineEditor::Show(const std::string& prompt) const {
  // One row of the terminal, with the part around the cursor.
  const size_t room = TerminalWidth() - Characters(prompt) - 1;
  std::string shown = text_;
  std::ranges::replace(shown, '\n', ' ');
  size_t before = Characters(std::string_view(text_).substr(0, cursor_));
  size_t skip = before < room ? 0 : before - room + 1;
  before -= skip;
  size_t begin = 0;
  for (; skip > 0 && begin < shown.size(); --skip) {
    for (++begin; begin < shown.size() && Continues(shown[begin]);) ++begin;
  }
  size_t end = begin;
  for (size_t count = 0; count < room && end < shown.size(); ++count) {
    for (++end; end < shown.size() && Continues(shown[end]);) ++end;
  }
  std::string out = "\r" + prompt + shown.substr(begin, end - begin) + "\x1b[K\r";
  const size_t column = Characters(prompt) + before;
  if (column > 0) out += "\x1b[" + std::to_string(column) + "C";
  Print(out);
}

void LineEditor::Move(int characters) {
  for (; characters > 0 && cursor_ < text_.size(); --characters) {
    for (++cursor_; cursor_ < text_.size() && Continues(text_[cursor_]);) ++cursor_;
  }
  for (; characters < 0 && cursor_ > 0; ++characters) {
    for (--cursor_; cursor_ > 0 && Continues(text_[cursor_]);) --cursor_;
  }
}

void LineEditor::Erase(size_t from, size_t to) {
  text_.erase(from, to - from);
  cursor_ = from;
}

void LineEditor::FromHistory(int step) {
  if (recalled_ == history_.size()) typed_ = text_;
  if (step < 0 && recalled_ > 0) {
    --recalled_;
  } else if (step > 0 && recalled_ < history_.size()) {
    ++recalled_;
  } else {
    return;
  }
  text_ = recalled_ == history_.size() ? typed_ : history_[recalled_];
  cursor_ = text_.size();
}

bool LineEditor::OnEscape() {
  char key = 0;
  if (!ReadKey(key)) return false;
  if (key != '[' && key != 'O') return true;
  if (!ReadKey(key)) return false;
  std::string number;
  while (key >= '0' && key <= '9') {
    number += key;
    if (!ReadKey(key)) return false;
  }
  if (key == 'A') FromHistory(-1);
  if (key == 'B') FromHistory(1);
  if (key == 'C') Move(1);
  if (key == 'D') Move(-1);
  if (key == 'H' || (key == '~' && (number == "1" || number == "7"))) cursor_ = 0;
  if (key == 'F' || (key == '~' && (number == "4" || number == "8"))) cursor_ = text_.size();
  if (key == '~' && number == "3") {
    const size_t from = cursor_;
    Move(1);
    Erase(from, cursor_);
  }
  return true;
}

LineEditor::End LineEditor::Read(const std::string& prompt, std::string& line) {
  const RawTerminal raw;
  text_.clear();
  cursor_ = 0;
  recalled_ = history_.size();
  while (true) {
    Show(prompt);
    char key = 0;
    if (!ReadKey(key)) return End::kInputOver;
    switch (key) {
      case '\r':
      case '\n':
        cursor_ = text_.size();
        Show(prompt);
        Print("\r\n");
        line = text_;
        return End::kLine;
      case Control('C'):
        Print("^C\r\n");
        return End::kInterrupted;
      case Control('D'):
        if (text_.empty()) {
          Print("\r\n");
          return End::kInputOver;
        } else {
          const size_t from = cursor_;
          Move(1);
          Erase(from, cursor_);
        }
        break;
      case Control('A'):
        cursor_ = 0;
        break;
      case Control('E'):
        cursor_ = text_.size();
        break;
      case Control('B'):
        Move(-1);
        break;
      case Control('F'):
        Move(1);
        break;
      case Control('P'):
        FromHistory(-1);
        break;
      case Control('N'):
        FromHistory(1);
        break;
      case Control('H'):
      case 127: {
        const size_t to = cursor_;
        Move(-1);
        Erase(cursor_, to);
        break;
      }
      case Control('U'):
        Erase(0, cursor_);
        break;
      case Control('K'):
        text_.resize(cursor_);
        break;
      case Control('W'): {
        size_t from = cursor_;
        while (from > 0 && text_[from - 1] == ' ') --from;
        while (from > 0 && text_[from - 1] != ' ') --from;
        Erase(from, cursor_);
        break;
      }
      case Control('L'):
        Print("\x1b[H\x1b[2J");
        break;
      case kEscape:
        if (!OnEscape()) return End::kInputOver;
        break;
      default:
        if (key == '\t') key = ' ';
        if (key >= 0 && key < 32) break;
        text_.insert(cursor_++, 1, key);
        // The rest of a character of UTF-8, before it is shown.
        for (int rest = (key & 0xe0) == 0xc0   ? 1
                        : (key & 0xf0) == 0xe0 ? 2
                        : (key & 0xf8) == 0xf0 ? 3
                                               : 0;
             rest > 0 && ReadKey(key); --rest) {
          text_.insert(cursor_++, 1, key);
        }
    }
  }
}

}  // namespace sluice::cli::internal
