import Foundation
import Testing

/// The Xcode project, as Foundation reads it, whose reader of property lists is Apple's own.
struct ProjectFileTests {
  @Test("every object is of a kind, is named by another, and no name leads nowhere")
  func objects() throws {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../PocketBertDemo.xcodeproj/project.pbxproj").standardizedFileURL
    var format = PropertyListSerialization.PropertyListFormat.xml
    let content = try PropertyListSerialization.propertyList(from: Data(contentsOf: file), format: &format)
    #expect(format == .openStep)
    let project = try #require(content as? [String: Any])
    let objects = try #require(project["objects"] as? [String: [String: Any]])
    #expect(objects.count > 30 && objects.values.allSatisfy { $0["isa"] is String })
    let root = try #require(project["rootObject"] as? String)
    #expect(Set(names(in: Array(objects.values)) + [root]) == Set(objects.keys))
    let targets = objects.values.filter { $0["isa"] as? String == "PBXNativeTarget" }
    #expect(Set(targets.compactMap { $0["name"] as? String }) == ["PocketBertDemo", "PocketBertDemoMac"])
  }

  /// Returns every text inside that has the form of an object's name.
  private func names(in value: Any) -> [String] {
    switch value {
    case let values as [Any]: values.flatMap(names)
    case let members as [String: Any]: members.values.flatMap(names)
    case let text as String where text.count == 24 && text.allSatisfy(\.isHexDigit): [text]
    default: []
    }
  }
}
