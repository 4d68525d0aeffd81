import Foundation
import Testing

@testable import PocketBERT

struct JSONReaderTests {
  @Test(
    "what is no JSON is refused",
    arguments: [
      "", " ", "{", "}", "[", "[1,]", "[,1]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{1:1}", "tru", "nul",
      "True",
      "01", "-", "+1", "1.", ".5", "1e", "1e+", "0x1", "1 2", "[1 2]", "NaN", "Infinity", "-Infinity", "1e999", "\"",
      "\"\\", "\"\\x\"", "\"\\u12\"", "\"\\u12G4\"", "\"\\ud800\"", "\"\\ud800x\"", "\"\\ud800\\n\"",
      "\"\\ud800\\ud800\"", "\"\\udc00\"", "\"\n\"", "\"\u{0}\"", "'a'", "// a\n1", "1,", "\u{FEFF}1",
      String(repeating: "[", count: 100_000),
    ])
  func refused(_ text: String) {
    #expect(throws: Damage.self) { try JSONReader.read(Array(text.utf8)) }
  }

  @Test("bytes that are no UTF-8 are refused")
  func notUTF8() {
    for bytes: [UInt8] in [[0xFF], [0x22, 0xC3, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22], [0x22, 0xC0, 0x80, 0x22]] {
      #expect(throws: Damage.self) { try JSONReader.read(bytes) }
    }
  }

  @Test("texts come letter by letter")
  func texts() throws {
    for (text, expected) in [
      ("\"\"", ""), ("\"é e\u{301} \u{FFFD} \u{1F375}\"", "é e\u{301} \u{FFFD} \u{1F375}"),
      ("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\u{8}\u{C}\n\r\t"), ("\"a\\u00e9\\uD83C\\uDF75b\"", "aé\u{1F375}b"),
      ("\"\\u0000\"", "\u{0}"), ("\"\u{7F}\u{2028}\"", "\u{7F}\u{2028}"),
    ] {
      guard case .string(let found) = try JSONReader.read(Array(text.utf8)) else {
        Issue.record("\(text) is no text")
        continue
      }
      #expect(found.isExactly(expected))
    }
  }

  @Test("numbers are whole, or not")
  func numbers() throws {
    for (text, whole) in [("0", 0), ("-0", 0), ("12", 12), ("9223372036854775807", Int.max), (" 7\r\n\t", 7)] {
      guard case .integer(let found) = try JSONReader.read(Array(text.utf8)) else {
        Issue.record("\(text) is not whole")
        continue
      }
      #expect(found == whole)
    }
    for (text, number) in [
      ("1.5", 1.5), ("-1e3", -1000), ("1E-2", 0.01), ("9223372036854775808", 9.223372036854775808e18),
    ] {
      guard case .number(let found) = try JSONReader.read(Array(text.utf8)) else {
        Issue.record("\(text) is whole")
        continue
      }
      #expect(found == number)
    }
  }

  @Test("whatever is cut or changed is read or refused, never a crash")
  func damaged() throws {
    let bytes = try BundleFiles(folder: Fixture.bundle).read("manifest.json")
    for size in stride(from: 0, to: bytes.count - 1, by: 3) {
      #expect(throws: Damage.self) { try JSONReader.read(Array(bytes.prefix(size))) }
    }
    var chance = Chance()
    for _ in 0..<2000 {
      var changed = bytes
      for _ in 0..<Int.random(in: 1...3, using: &chance) {
        changed[Int.random(in: bytes.indices, using: &chance)] = UInt8.random(in: 0...255, using: &chance)
      }
      _ = try? JSONReader.read(changed)
    }
  }
}
