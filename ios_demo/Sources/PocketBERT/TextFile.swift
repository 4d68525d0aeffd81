import Foundation

/// Returns the text that a file holds: UTF-8, or UTF-16 that says so by its first two bytes.
///
/// A file may hold what a Swift string cannot, such as half of a surrogate pair: that is refused, and not replaced.
///
/// - Parameter part: Which of a task's texts it is to be, as an error tells.
/// - Throws: `unreadableText` where it is no text, or larger than any that is read.
public func readText(of file: URL, as part: TextPart = .context) throws(PocketBERTError) -> String {
  let most = 50_000_000
  let data: Data
  do {
    let values = try file.resourceValues(forKeys: [.fileSizeKey])
    guard (values.fileSize ?? 0) <= most else {
      throw PocketBERTError.unreadableText(part, .tooLong, "the file has more than \(most) bytes")
    }
    data = try Data(contentsOf: file)
  } catch let error as PocketBERTError {
    throw error
  } catch {
    throw .unreadableText(part, .empty, "the file cannot be read: \(error.localizedDescription)")
  }
  guard let text = decodeText([UInt8](data)) else {
    throw .unreadableText(part, .noUnicode, "the file is no text in UTF-8 or UTF-16")
  }
  return text
}

func decodeText(_ bytes: [UInt8]) -> String? {
  if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { return String(exactly: bytes.dropFirst(3)) }
  for (mark, low, high) in [([0xFF, 0xFE], 0, 1), ([0xFE, 0xFF], 1, 0)] as [([UInt8], Int, Int)]
  where bytes.starts(with: mark) {
    guard bytes.count % 2 == 0 else { return nil }
    let units = stride(from: 2, to: bytes.count, by: 2).map {
      UInt16(bytes[$0 + low]) | UInt16(bytes[$0 + high]) << 8
    }
    let text = String(decoding: units, as: UTF16.self)
    return text.utf16.elementsEqual(units) ? text : nil
  }
  return String(exactly: bytes)
}
