package org.pocketbert.ui.state

/** What a person can do. Called on one thread: that of the screens. */
interface DemoActions {
    /** Looks for the bundle again. */
    fun retry()

    /** Goes to another screen, and ends what runs on this one. */
    fun show(screen: Screen)

    /** Takes another text, or as much of it as can be asked about. */
    fun changeText(text: String)

    /** Takes the question as the field that shows it has it. */
    fun changeQuestion(question: String)

    /** Takes another text, as [changeText] does, which the field with the old one is to show. */
    fun replaceText(text: String)

    /** Takes another question, or second text, which the field with the old one is to show. */
    fun replaceQuestion(question: String)

    /** Takes a text and a question about it from a sample. */
    fun takeSample(text: String, question: String)

    /** Takes another engine; a question that was asked is asked again. */
    fun chooseEngine(backend: String)

    /** Asks the question, in place of what runs. */
    fun ask()

    /** Runs the self test, in place of what runs. */
    fun runSelfTest()

    /** Ends what runs. */
    fun cancel()
}
