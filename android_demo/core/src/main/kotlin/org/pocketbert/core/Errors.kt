package org.pocketbert.core

/** What a person is told where something does not work; each kind has a state on the screen. */
sealed class PocketBertException(message: String, cause: Throwable? = null) :
    Exception(message, cause)

/** There is no bundle where one should be. */
class NoBundleException(message: String) : PocketBertException(message)

/** A file of the bundle is absent, or is not what the manifest says. */
class DamagedBundleException(val path: String, message: String, cause: Throwable? = null) :
    PocketBertException(message, cause)

/** The bundle has no room on this device. @property missingBytes that have to be freed for it. */
class NoRoomException(val missingBytes: Long, message: String, cause: Throwable? = null) :
    PocketBertException(message, cause)

/** The bundle was made for a newer app. */
class NewerBundleException(message: String) : PocketBertException(message)

/** The bundle is not signed by the key that this app knows, or not at all. */
class UntrustedBundleException(message: String) : PocketBertException(message)

/** An artifact wants a newer runtime than this app holds, or the bundle has none for an engine. */
class UnsupportedArtifactException(message: String) : PocketBertException(message)

/** A question or a text cannot be read. */
class UnreadableTextException(val part: TextPart, val reason: Reason, message: String) :
    PocketBertException(message) {
    enum class Reason { EMPTY, TOO_LONG, UNKNOWN_SCRIPT, NO_UNICODE }
}

/** Which of the texts; [CONTEXT] is also the first of a pair, or the only one. */
enum class TextPart { QUESTION, CONTEXT, SECOND }

/** A model cannot be loaded, or failed while it ran. */
class EngineException(message: String, cause: Throwable? = null) :
    PocketBertException(message, cause)
