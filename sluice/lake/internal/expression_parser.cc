#include <arrow/api.h>

#include <charconv>
#include <optional>

#include "sluice/base/ascii.h"
#include "sluice/lake/internal/expression_node.h"
#include "sluice/lake/internal/schema_json.h"
#include "sluice/lake/internal/timestamp_text.h"

namespace sluice::lake::internal {

namespace {

using Kind = ExpressionNode::Kind;

constexpr int kDepthMax = 100;
constexpr size_t kTextMax = 64 * 1024;

struct Token {
  enum class Type : uint8_t { kEnd, kNumber, kText, kName, kQuotedName, kSign };
  Type type = Type::kEnd;
  std::string text;
  size_t position = 0;
};

bool IsNameStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<uint8_t>(c) >= 0x80;
}
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

/// Cuts a text into tokens. Not thread-safe.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Result<Token> Next() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) {
      ++at_;
    }
    Token token{.type = Token::Type::kEnd, .text = {}, .position = at_};
    if (at_ == text_.size()) return token;
    const char c = text_[at_];
    if (IsDigit(c) || (c == '.' && at_ + 1 < text_.size() && IsDigit(text_[at_ + 1]))) {
      token.type = Token::Type::kNumber;
      TakeNumber(token.text);
      return token;
    }
    if (c == '\'' || c == '"' || c == '`') return TakeQuoted(token, c);
    if (IsNameStart(c)) {
      token.type = Token::Type::kName;
      while (at_ < text_.size() && (IsNameStart(text_[at_]) || IsDigit(text_[at_]))) {
        token.text += text_[at_++];
      }
      return token;
    }
    token.type = Token::Type::kSign;
    for (const std::string_view sign : {"<=>", "<=", ">=", "<>", "!=", "==", "||"}) {
      if (text_.substr(at_).starts_with(sign)) {
        token.text = sign;
        at_ += sign.size();
        return token;
      }
    }
    token.text = c;
    ++at_;
    return token;
  }

 private:
  void TakeNumber(std::string& number) {
    const auto take_digits = [&] {
      while (at_ < text_.size() && IsDigit(text_[at_])) number += text_[at_++];
    };
    take_digits();
    if (at_ < text_.size() && text_[at_] == '.') {
      number += text_[at_++];
      take_digits();
    }
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      number += text_[at_++];
      if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) number += text_[at_++];
      take_digits();
    }
  }

  Result<Token> TakeQuoted(Token token, char quote) {
    token.type = quote == '`' ? Token::Type::kQuotedName : Token::Type::kText;
    ++at_;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == quote) {
        if (at_ < text_.size() && text_[at_] == quote) {  // Doubled: the quote itself.
          token.text += quote;
          ++at_;
          continue;
        }
        return token;
      }
      if (c == '\\' && quote != '`' && at_ < text_.size()) {
        const char escaped = text_[at_++];
        switch (escaped) {
          case 'n':
            token.text += '\n';
            break;
          case 't':
            token.text += '\t';
            break;
          case '%':
          case '_':  // Kept for LIKE.
            token.text += '\\';
            token.text += escaped;
            break;
          default:
            token.text += escaped;
        }
        continue;
      }
      token.text += c;
    }
    return Invalid("position {}: the quote is never closed", token.position + 1);
  }

  std::string_view text_;
  size_t at_ = 0;
};

ExpressionNode Literal(std::shared_ptr<arrow::Scalar> value) {
  return {.kind = Kind::kLiteral, .value = std::move(value)};
}
ExpressionNode Call(std::string name, std::vector<ExpressionNode> arguments) {
  return {.kind = Kind::kCall, .name = std::move(name), .arguments = std::move(arguments)};
}

/// A parser by recursive descent. Not thread-safe.
class Parser {
 public:
  explicit Parser(std::string_view text) : lexer_(text) {}

  Result<ExpressionNode> Parse() {
    SLUICE_RETURN_IF_ERROR(Advance());
    SLUICE_ASSIGN_OR_RETURN(ExpressionNode node, ParseOr());
    if (token_.type != Token::Type::kEnd) return Unexpected();
    return node;
  }

 private:
  Status Advance() {
    SLUICE_ASSIGN_OR_RETURN(token_, lexer_.Next());
    return {};
  }
  Error Unexpected() const {
    if (token_.type == Token::Type::kEnd) return Invalid("the expression ends too early");
    return Invalid("position {}: '{}' does not belong here", token_.position + 1, token_.text);
  }
  bool IsWord(std::string_view word) const {
    return token_.type == Token::Type::kName && LowerCase(token_.text) == word;
  }
  bool IsSign(std::string_view sign) const {
    return token_.type == Token::Type::kSign && token_.text == sign;
  }
  Result<bool> TakeWord(std::string_view word) {
    if (!IsWord(word)) return false;
    SLUICE_RETURN_IF_ERROR(Advance());
    return true;
  }
  Status ExpectSign(std::string_view sign) {
    if (!IsSign(sign)) return Unexpected();
    return Advance();
  }
  Status ExpectWord(std::string_view word) {
    if (!IsWord(word)) return Unexpected();
    return Advance();
  }

  Result<ExpressionNode> ParseOr() {
    if (++depth_ > kDepthMax) return Unsupported("an expression nested deeper than {}", kDepthMax);
    SLUICE_ASSIGN_OR_RETURN(ExpressionNode left, ParseAnd());
    while (IsWord("or")) {
      SLUICE_RETURN_IF_ERROR(Advance());
      SLUICE_ASSIGN_OR_RETURN(ExpressionNode right, ParseAnd());
      left = Call("or", {std::move(left), std::move(right)});
    }
    --depth_;
    return left;
  }

  Result<ExpressionNode> ParseAnd() {
    SLUICE_ASSIGN_OR_RETURN(ExpressionNode left, ParseNot());
    while (IsWord("and")) {
      SLUICE_RETURN_IF_ERROR(Advance());
      SLUICE_ASSIGN_OR_RETURN(ExpressionNode right, ParseNot());
      left = Call("and", {std::move(left), std::move(right)});
    }
    return left;
  }

  Result<ExpressionNode> ParseNot() {
    if (IsWord("not") || IsSign("!")) {
      if (++depth_ > kDepthMax)
        return Unsupported("an expression nested deeper than {}", kDepthMax);
      SLUICE_RETURN_IF_ERROR(Advance());
      SLUICE_ASSIGN_OR_RETURN(ExpressionNode inner, ParseNot());
      --depth_;
      return Call("not", {std::move(inner)});
    }
    return ParseComparison();
  }

  Result<ExpressionNode> ParseComparison() {
    SLUICE_ASSIGN_OR_RETURN(ExpressionNode left, ParseSum());
    while (true) {
      if (token_.type == Token::Type::kSign) {
        std::string sign = token_.text;
        if (sign == "==") sign = "=";
        if (sign == "<>") sign = "!=";
        if (sign != "=" && sign != "!=" && sign != "<" && sign != "<=" && sign != ">" &&
            sign != ">=" && sign != "<=>") {
          return left;
        }
        SLUICE_RETURN_IF_ERROR(Advance());
        SLUICE_ASSIGN_OR_RETURN(ExpressionNode right, ParseSum());
        left = Call(sign, {std::move(left), std::move(right)});
        continue;
      }
      if (IsWord("is")) {
        SLUICE_RETURN_IF_ERROR(Advance());
        SLUICE_ASSIGN_OR_RETURN(const bool negated, TakeWord("not"));
        ExpressionNode test;
        if (IsWord("null")) {
          test = Call("is null", {std::move(left)});
        } else if (IsWord("true") || IsWord("false")) {
          const bool expected = IsWord("true");
          test = Call("<=>",
                      {std::move(left), Literal(std::make_shared<arrow::BooleanScalar>(expected))});
        } else {
          return Unexpected();
        }
        SLUICE_RETURN_IF_ERROR(Advance());
        left = negated ? Call("not", {std::move(test)}) : std::move(test);
        continue;
      }
      SLUICE_ASSIGN_OR_RETURN(const bool negated, TakeWord("not"));
      std::optional<ExpressionNode> test;
      if (IsWord("in")) {
        SLUICE_ASSIGN_OR_RETURN(test, ParseIn(std::move(left)));
      } else if (IsWord("between")) {
        SLUICE_RETURN_IF_ERROR(Advance());
        SLUICE_ASSIGN_OR_RETURN(ExpressionNode low, ParseSum());
        SLUICE_RETURN_IF_ERROR(ExpectWord("and"));
        SLUICE_ASSIGN_OR_RETURN(ExpressionNode high, ParseSum());
        ExpressionNode above = Call(">=", {left, std::move(low)});
        ExpressionNode below = Call("<=", {std::move(left), std::move(high)});
        test = Call("and", {std::move(above), std::move(below)});
      } else if (IsWord("like") || IsWord("rlike")) {
        const std::string name = LowerCase(token_.text);
        SLUICE_RETURN_IF_ERROR(Advance());
        SLUICE_ASSIGN_OR_RETURN(ExpressionNode pattern, ParseSum());
        test = Call(name, {std::move(left), std::move(pattern)});
      } else if (negated) {
        return Unexpected();
      } else {
        return left;
      }
      left = negated ? Call("not", {std::move(*test)}) : std::move(*test);
    }
  }

  Result<std::optional<ExpressionNode>> ParseIn(ExpressionNode left) {
    SLUICE_RETURN_IF_ERROR(Advance());
    SLUICE_RETURN_IF_ERROR(ExpectSign("("));
    std::vector<ExpressionNode> arguments = {std::move(left)};
    SLUICE_RETURN_IF_ERROR(ParseList(arguments));
    return std::optional(Call("in", std::move(arguments)));
  }

  // The rest of a list up to its closing parenthesis.
  Status ParseList(std::vector<ExpressionNode>& items) {
    while (true) {
      SLUICE_ASSIGN_OR_RETURN(ExpressionNode item, ParseOr());
      items.push_back(std::move(item));
      if (!IsSign(",")) return ExpectSign(")");
      SLUICE_RETURN_IF_ERROR(Advance());
    }
  }

  Result<ExpressionNode> ParseSum() {
    SLUICE_ASSIGN_OR_RETURN(ExpressionNode left, ParseProduct());
    while (IsSign("+") || IsSign("-") || IsSign("||")) {
      const std::string sign = token_.text;
      SLUICE_RETURN_IF_ERROR(Advance());
      SLUICE_ASSIGN_OR_RETURN(ExpressionNode right, ParseProduct());
      left = Call(sign == "||" ? "concat" : sign, {std::move(left), std::move(right)});
    }
    return left;
  }

  Result<ExpressionNode> ParseProduct() {
    SLUICE_ASSIGN_OR_RETURN(ExpressionNode left, ParseUnary());
    while (IsSign("*") || IsSign("/") || IsSign("%")) {
      const std::string sign = token_.text;
      SLUICE_RETURN_IF_ERROR(Advance());
      SLUICE_ASSIGN_OR_RETURN(ExpressionNode right, ParseUnary());
      left = Call(sign, {std::move(left), std::move(right)});
    }
    return left;
  }

  Result<ExpressionNode> ParseUnary() {
    if (IsSign("-")) {
      if (++depth_ > kDepthMax)
        return Unsupported("an expression nested deeper than {}", kDepthMax);
      SLUICE_RETURN_IF_ERROR(Advance());
      if (token_.type == Token::Type::kNumber) token_.text.insert(0, "-");
      const bool literal = token_.type == Token::Type::kNumber;
      SLUICE_ASSIGN_OR_RETURN(ExpressionNode inner, literal ? ParsePrimary() : ParseUnary());
      --depth_;
      return literal ? std::move(inner) : Call("negate", {std::move(inner)});
    }
    if (IsSign("+")) SLUICE_RETURN_IF_ERROR(Advance());
    return ParsePrimary();
  }

  Result<ExpressionNode> ParsePrimary() {
    if (IsSign("(")) {
      SLUICE_RETURN_IF_ERROR(Advance());
      SLUICE_ASSIGN_OR_RETURN(ExpressionNode inner, ParseOr());
      SLUICE_RETURN_IF_ERROR(ExpectSign(")"));
      return inner;
    }
    const Token token = token_;
    switch (token.type) {
      case Token::Type::kNumber:
        SLUICE_RETURN_IF_ERROR(Advance());
        return ParseNumber(token.text);
      case Token::Type::kText:
        SLUICE_RETURN_IF_ERROR(Advance());
        return Literal(std::make_shared<arrow::StringScalar>(token.text));
      case Token::Type::kQuotedName:
        return ParseColumn();
      case Token::Type::kName:
        return ParseWord();
      default:
        return Unexpected();
    }
  }

  Result<ExpressionNode> ParseNumber(std::string text) {
    const bool suffixed = token_.type == Token::Type::kName && text.find('.') == std::string::npos;
    if (suffixed && (IsWord("l") || IsWord("s") || IsWord("y"))) SLUICE_RETURN_IF_ERROR(Advance());
    if (text.find_first_of("eE") != std::string::npos) {
      return Literal(std::make_shared<arrow::DoubleScalar>(std::strtod(text.c_str(), nullptr)));
    }
    if (text.find('.') == std::string::npos) {
      int64_t number = 0;
      const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
      if (parsed.ec == std::errc()) return Literal(std::make_shared<arrow::Int64Scalar>(number));
    }
    if (IsWord("d")) {
      SLUICE_RETURN_IF_ERROR(Advance());
      return Literal(std::make_shared<arrow::DoubleScalar>(std::strtod(text.c_str(), nullptr)));
    }
    arrow::Decimal128 decimal;
    int32_t precision = 0;
    int32_t scale = 0;
    if (!arrow::Decimal128::FromString(text, &decimal, &precision, &scale).ok() || scale < 0 ||
        std::max(precision, scale) > 38) {
      return Invalid("'{}' is no number", text);
    }
    // Of `0.` no digit counts, and there is no type without one.
    return Literal(std::make_shared<arrow::Decimal128Scalar>(
        decimal, arrow::decimal128(std::max({precision, scale, 1}), scale)));
  }

  Result<ExpressionNode> ParseColumn() {
    ExpressionNode column{.kind = Kind::kColumn};
    while (true) {
      if (token_.type != Token::Type::kName && token_.type != Token::Type::kQuotedName) {
        return Unexpected();
      }
      column.path.push_back(token_.text);
      SLUICE_RETURN_IF_ERROR(Advance());
      if (!IsSign(".")) return column;
      SLUICE_RETURN_IF_ERROR(Advance());
    }
  }

  Result<ExpressionNode> ParseWord() {
    const std::string word = LowerCase(token_.text);
    if (word == "true" || word == "false") {
      SLUICE_RETURN_IF_ERROR(Advance());
      return Literal(std::make_shared<arrow::BooleanScalar>(word == "true"));
    }
    if (word == "null") {
      SLUICE_RETURN_IF_ERROR(Advance());
      return Literal(std::make_shared<arrow::NullScalar>());
    }
    if (word == "case") return ParseCase();
    const Token first = token_;
    SLUICE_RETURN_IF_ERROR(Advance());
    if ((word == "date" || word == "timestamp" || word == "timestamp_ntz") &&
        token_.type == Token::Type::kText) {
      return ParseMoment(word);
    }
    if (word == "cast" && IsSign("(")) return ParseCast();
    if (IsSign("(")) return ParseCall(word);
    if (word == "current_timestamp" || word == "current_date") {
      return Unsupported("function '{}' is not known", word);
    }
    // A column after all.
    ExpressionNode column{.kind = Kind::kColumn, .path = {first.text}};
    if (!IsSign(".")) return column;
    SLUICE_RETURN_IF_ERROR(Advance());
    SLUICE_ASSIGN_OR_RETURN(ExpressionNode rest, ParseColumn());
    column.path.insert(column.path.end(), rest.path.begin(), rest.path.end());
    return column;
  }

  // DATE '2026-01-31', TIMESTAMP '2026-01-31 12:00:00'
  Result<ExpressionNode> ParseMoment(const std::string& kind) {
    const std::string text = token_.text;
    SLUICE_RETURN_IF_ERROR(Advance());
    if (kind == "date") {
      const auto days = ParseDate(text);
      if (!days) return Invalid("'{}' is no date", text);
      return Literal(std::make_shared<arrow::Date32Scalar>(*days));
    }
    const auto parsed = ParseTimestamp(text);
    if (!parsed) return Invalid("'{}' is no timestamp", text);
    return Literal(std::make_shared<arrow::TimestampScalar>(
        parsed->microseconds, kind == "timestamp" ? arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")
                                                  : arrow::timestamp(arrow::TimeUnit::MICRO)));
  }

  Result<ExpressionNode> ParseCast() {
    SLUICE_RETURN_IF_ERROR(ExpectSign("("));
    SLUICE_ASSIGN_OR_RETURN(ExpressionNode value, ParseOr());
    SLUICE_RETURN_IF_ERROR(ExpectWord("as"));
    std::string name;
    while (!IsSign(")") || name.find('(') != std::string::npos) {
      if (token_.type == Token::Type::kEnd) return Unexpected();
      const bool closed = IsSign(")");
      name += token_.text;
      SLUICE_RETURN_IF_ERROR(Advance());
      if (closed) break;
    }
    SLUICE_RETURN_IF_ERROR(ExpectSign(")"));
    name = LowerCase(name);
    if (name == "bigint") name = "long";
    if (name == "int") name = "integer";
    if (name == "smallint") name = "short";
    if (name == "tinyint") name = "byte";
    if (name == "real") name = "float";
    ExpressionNode cast = Call("cast", {std::move(value)});
    SLUICE_ASSIGN_OR_RETURN(cast.type, ParseTypeName(name));
    return cast;
  }

  Result<ExpressionNode> ParseCall(const std::string& name) {
    SLUICE_RETURN_IF_ERROR(Advance());
    std::vector<ExpressionNode> arguments;
    if (IsSign(")")) {
      SLUICE_RETURN_IF_ERROR(Advance());
    } else {
      SLUICE_RETURN_IF_ERROR(ParseList(arguments));
    }
    if (!IsKnownFunction(name, arguments.size())) {
      return Unsupported("function '{}' with {} arguments is not known", name, arguments.size());
    }
    return Call(name, std::move(arguments));
  }

  // CASE WHEN a THEN b ... [ELSE c] END, as nested `if`.
  Result<ExpressionNode> ParseCase() {
    SLUICE_RETURN_IF_ERROR(Advance());
    std::vector<std::pair<ExpressionNode, ExpressionNode>> branches;
    while (IsWord("when")) {
      SLUICE_RETURN_IF_ERROR(Advance());
      SLUICE_ASSIGN_OR_RETURN(ExpressionNode condition, ParseOr());
      SLUICE_RETURN_IF_ERROR(ExpectWord("then"));
      SLUICE_ASSIGN_OR_RETURN(ExpressionNode value, ParseOr());
      branches.emplace_back(std::move(condition), std::move(value));
    }
    if (branches.empty() || branches.size() > kDepthMax) return Unexpected();
    ExpressionNode otherwise = Literal(std::make_shared<arrow::NullScalar>());
    if (IsWord("else")) {
      SLUICE_RETURN_IF_ERROR(Advance());
      SLUICE_ASSIGN_OR_RETURN(otherwise, ParseOr());
    }
    SLUICE_RETURN_IF_ERROR(ExpectWord("end"));
    for (auto branch = branches.rbegin(); branch != branches.rend(); ++branch) {
      otherwise =
          Call("if", {std::move(branch->first), std::move(branch->second), std::move(otherwise)});
    }
    return otherwise;
  }

  Lexer lexer_;
  Token token_;
  int depth_ = 0;
};

}  // namespace

Result<ExpressionNode> ParseExpression(std::string_view text) {
  if (text.size() > kTextMax) return Unsupported("an expression of {} bytes", text.size());
  return Parser(text).Parse();
}

}  // namespace sluice::lake::internal
