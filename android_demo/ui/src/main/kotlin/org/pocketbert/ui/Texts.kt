package org.pocketbert.ui

import androidx.compose.runtime.staticCompositionLocalOf
import org.pocketbert.core.TextPart
import org.pocketbert.core.UnreadableTextException.Reason
import org.pocketbert.ui.state.EngineStage
import org.pocketbert.ui.state.MAX_EDITABLE_CHARACTERS
import org.pocketbert.ui.state.Problem
import java.util.Locale

/**
 * All that the screens say, in English. Another language overrides what it says otherwise.
 *
 * Not Android's string resources, as the desktop's JVM has none, and the tests draw these there.
 */
open class Texts {
    open val appName = "PocketBERT"
    open val privacy = "Nothing leaves this device. The app has no access to the network."
    open val loading = "Checking the model…"
    open val back = "Back"
    open val details = "Details"
    open val tryAgain = "Try again"

    // Ask
    open val text = "Text"
    open val samples = "Samples"
    open val paste = "Paste"
    open val edit = "Edit"
    open val noText = "No text yet. Pick a sample, paste a text, or write one."
    open val tooLongToEdit =
        "Too long to edit here (more than ${number(MAX_EDITABLE_CHARACTERS)} characters). " +
            "You can ask about it, or paste another one."
    open val question = "Question"
    open val questionHint = "What do you want to know?"
    open val ask = "Ask"
    open val stop = "Stop"
    open val engine = "Engine"
    open val questionsToTry = "Questions to try"
    open val answering = "Reading the text…"
    open val answer = "Answer"
    open val holdsTheAnswer = "holds the answer"

    open fun characters(count: Int) =
        if (count == 1) "1 character" else "${number(count)} characters"
    open fun leftOut(count: Int) =
        "The text was too long. Its last ${characters(count)} were left out."
    open fun score(value: Double) = "Score ${decimals(value * 100, if (value < 0.1) 1 else 0)}%"
    open fun latency(milliseconds: Double) =
        "${decimals(milliseconds, if (milliseconds < 10) 1 else 0)} ms"
    open fun tryEngine(label: String) = "Try $label"

    // Classify
    open val textToClassify = "Text to classify"
    open val secondText = "Second text"
    open val pasteSecond = "Paste as second text"
    open val labels = "Label"
    open val noLabel = "No label fits"
    open val number = "Number"

    open fun perCent(value: Double) = "${decimals(value * 100, if (value < 0.1) 1 else 0)}%"
    open fun value(number: Double) = decimals(number, 2)
    open fun secondLeftOut(count: Int) =
        "The second text was too long. Its last ${characters(count)} were left out."
    open fun tokensRead(read: Int, all: Int) =
        "The model has room for ${number(read)} of the ${number(all)} tokens. The rest was not read."

    // Edit
    open val editText = "Edit text"
    open val clear = "Clear"

    // Self-test
    open val selfTest = "Self-test"
    open val selfTestIntro =
        "Asks the model, on this very device, the questions that it was asked when it was built, " +
            "and compares. It takes a few seconds."
    open val selfTestIntroOfClassifier =
        "Gives the model, on this very device, the texts that it was given when it was built, " +
            "and compares what it says of them. It takes a few seconds."
    open val runSelfTest = "Run the test"
    open val readingStep = "Reading of texts"
    open val readingStepIntro = "Tokenizer, windows and the choice of the answer"
    open val readingStepIntroOfClassifier = "Tokenizer, rows and the choice of the labels"
    open val waiting = "Waiting"
    open val running = "Running…"
    open val passed = "Passed"
    open val failed = "Failed"
    open val allPassed = "The model works on this device as it did when it was built."
    open val someFailed = "Something differs from what the model did when it was built."

    open fun windows(count: Int) = if (count == 1) "1 window" else "${number(count)} windows"
    open fun textsRead(count: Int) = if (count == 1) "1 text" else "${number(count)} texts"
    open fun largestDifference(value: Double, tolerance: Double) =
        "Largest difference ${significant(value)}, tolerance ${significant(tolerance)}"
    open fun sameAnswers(same: Int, asked: Int) = "Same answers: $same of $asked"
    open fun moreProblems(count: Int) = "and $count more"

    // About
    open val about = "About the model"
    open val model = "Model"
    open val modelName = "Name"
    open val architecture = "Architecture"
    open val weights = "Weights (SHA-256)"
    open val longestText = "Longest text"
    open val artifacts = "Files for the engines"
    open val verdicts = "Checked when it was built"
    open val licences = "Licences"
    open val modelLicence = "Model weights"
    open val libraries = "Libraries of this app"
    open val versions = "Built with"

    /** @param part of the bundle, as the manifest calls it. */
    open fun licenceOf(part: String) =
        part.replace('_', ' ').replaceFirstChar { it.uppercaseChar() }
    open fun artifact(backend: String, precision: String) = "$backend, $precision"
    open fun megabytes(bytes: Long) = "${decimals(bytes / 1e6, 1)} MB"
    open fun lengths(tokens: List<Int>) = "Up to ${tokens.joinToString(", ")} tokens at a time"
    open fun verdict(runtime: String, seqLen: Int) = "$runtime, $seqLen tokens"

    open fun problem(problem: Problem): ProblemText = when (problem) {
        is Problem.NoBundle -> ProblemText(
            "There is no model in this app",
            "It was built without one, so there is nothing to ask.",
            "Copy a model bundle into the app's assets as its README tells, and install it again.",
        )
        is Problem.DamagedBundle -> ProblemText(
            "The model is damaged",
            "This file is not what it should be: ${problem.path}",
            "Install the app again. If that does not help, build the model bundle again.",
        )
        is Problem.NoRoom -> ProblemText(
            "There is no room for the model",
            "It is copied once, and ${megabytes(problem.missingBytes)} more have to be free for that.",
            "Delete what you do not need from this device, and try again.",
        )
        is Problem.NewerBundle -> ProblemText(
            "The model is newer than this app",
            "It comes in a form that this version cannot read.",
            "Update the app.",
        )
        is Problem.UntrustedBundle -> ProblemText(
            "The model is not from whom it should be",
            "Its signature is absent or wrong, so somebody may have changed it.",
            "Install the app again, from a source that you trust.",
        )
        is Problem.UnreadableText -> unreadable(problem.part, problem.reason)
        is Problem.EngineFailed -> engineFailed(problem.stage, problem.engine)
        is Problem.Unexpected -> ProblemText(
            "Something went wrong",
            "That should not happen, and your text is still here.",
            "Try again. If it happens again, please report it with the details below.",
        )
    }

    private fun unreadable(part: TextPart, reason: Reason): ProblemText {
        val isQuestion = part == TextPart.QUESTION
        val which = when (part) {
            TextPart.QUESTION -> "question"
            TextPart.CONTEXT -> "text"
            TextPart.SECOND -> "second text"
        }
        return when (reason) {
            Reason.EMPTY -> ProblemText(
                "There is no $which",
                "The $which holds nothing that could be read.",
                if (isQuestion) "Write a question." else "Pick a sample, or paste a text.",
            )
            Reason.TOO_LONG -> ProblemText(
                "The $which is too long",
                if (isQuestion) "It should be a sentence or two." else "Only its beginning is kept.",
                if (isQuestion) "Shorten it." else "Ask about that, or paste a shorter text.",
            )
            Reason.UNKNOWN_SCRIPT -> ProblemText(
                "The model cannot read this $which",
                "Most of its words are in a script that the model has not learned.",
                if (isQuestion) "Ask in another language." else "Try a text in another language.",
            )
            Reason.NO_UNICODE -> ProblemText(
                "The $which is broken",
                "It holds half of a character, as a text does that was cut in the middle of one.",
                "Copy it again from where it comes from.",
            )
        }
    }

    private fun engineFailed(stage: EngineStage, engine: String) = when (stage) {
        EngineStage.CHECKING_VERSION -> ProblemText(
            "$engine cannot run this model",
            "The model wants a newer version than this app holds, or is not there for $engine.",
            "Update the app, or use another engine.",
        )
        EngineStage.LOADING -> ProblemText(
            "$engine could not load the model",
            "The device may be short of memory, or unable to run it.",
            "Close other apps and ask again, or use another engine.",
        )
        EngineStage.RUNNING -> ProblemText(
            "$engine failed",
            "It stopped while it was reading, and was closed.",
            "Ask again, or use another engine.",
        )
    }

    // Digits of English, whatever the device's language is: so are the words around them.
    protected fun number(value: Int): String = "%,d".format(Locale.ENGLISH, value)

    protected fun decimals(value: Double, digits: Int): String =
        "%.${digits}f".format(Locale.ENGLISH, value)

    private fun significant(value: Double): String = "%.2g".format(Locale.ENGLISH, value)
}

/**
 * A problem in words.
 *
 * @property advice what a person can do.
 */
class ProblemText(val title: String, val body: String, val advice: String)

/** What the screens say, in the language of those around. */
val LocalTexts = staticCompositionLocalOf { Texts() }
