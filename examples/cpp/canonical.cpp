#include "canonical.h"

#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "error.h"

namespace example {
namespace {

using Json = nlohmann::json;

std::string json_string(const std::string& text) { return Json(text).dump(-1, ' ', /*ensure_ascii=*/true); }

/// An object or an array of which some members have been read, each already in its canonical form.
struct Open {
  bool is_object;
  std::map<std::string, std::string> members;
  std::string items;  // of an array, with commas between
  std::string key;    // of the member that comes next
};

/// Takes what the parser meets, in order; the names are those that nlohmann's sax_parse calls.
class Writer final : public nlohmann::json_sax<Json> {
 public:
  explicit Writer(std::string left_out) : left_out_(std::move(left_out)) {}
  std::string text;

  bool null() override { return put("null"); }
  bool boolean(bool value) override { return put(value ? "true" : "false"); }
  bool number_integer(number_integer_t value) override { return put(std::to_string(value)); }
  bool number_unsigned(number_unsigned_t value) override { return put(std::to_string(value)); }
  bool number_float(number_float_t, const string_t& digits) override { return put(digits); }
  bool string(string_t& value) override { return put(json_string(value)); }
  bool binary(binary_t&) override { return false; }
  bool key(string_t& value) override {
    open_.back().key = value;
    return true;
  }
  bool start_object(size_t) override { return start(true); }
  bool start_array(size_t) override { return start(false); }
  bool end_object() override { return end(); }
  bool end_array() override { return end(); }
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }

 private:
  bool start(bool is_object) {
    if (open_.empty() && !is_object) return false;
    open_.push_back({is_object, {}, "", ""});
    return true;
  }

  bool put(const std::string& value) {
    if (open_.empty()) return false;
    Open& to = open_.back();
    if (to.is_object) {
      to.members[to.key] = value;
    } else {
      to.items += (to.items.empty() ? "" : ",") + value;
    }
    return true;
  }

  bool end() {
    Open done = std::move(open_.back());
    open_.pop_back();
    if (open_.empty()) done.members.erase(left_out_);
    for (const auto& [key, value] : done.members) {
      done.items += (done.items.empty() ? "" : ",") + json_string(key) + ":" + value;
    }
    const std::string whole = done.is_object ? "{" + done.items + "}" : "[" + done.items + "]";
    if (!open_.empty()) return put(whole);
    text = whole;
    return true;
  }

  std::string left_out_;
  std::vector<Open> open_;
};

}  // namespace

std::string canonical_object(const std::string& text, const std::string& left_out) {
  Writer writer(left_out);
  if (!Json::sax_parse(text, &writer)) throw Error("it is not a JSON object", "copy it again");
  return writer.text;
}

}  // namespace example
