import Foundation
import PocketBERT

print("later")
