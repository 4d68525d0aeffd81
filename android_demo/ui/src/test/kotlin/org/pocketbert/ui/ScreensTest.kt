package org.pocketbert.ui

import androidx.compose.ui.test.ExperimentalTestApi
import androidx.compose.ui.unit.LayoutDirection
import org.junit.jupiter.api.DynamicContainer
import org.junit.jupiter.api.DynamicContainer.dynamicContainer
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.TestFactory
import org.pocketbert.ui.state.DemoActions
import org.pocketbert.ui.state.DemoState
import org.pocketbert.ui.state.Screen
import kotlin.test.assertEquals
import kotlin.test.assertTrue

private val EVERY_STATE_IN = listOf(
    Look("light"),
    Look("narrow-large-letters", width = 320, height = 640, fontScale = 2f, isDark = true),
)

private val TELLING_STATES_IN = listOf(
    Look("dark", isDark = true),
    Look("large-letters", fontScale = 2f),
    Look("right-to-left", direction = LayoutDirection.Rtl),
    Look("narrow", width = 320, height = 568),
    Look("landscape", width = 740, height = 340),
    Look("tablet", width = 1024, height = 768),
)

private val TELLING_STATES = listOf(
    "ask-idle",
    "ask-answered-far-down",
    "ask-too-long",
    "classify-several",
    "classify-pair",
    "classify-pair-too-long",
    "engine-loading",
    "bundle-damagedbundle",
    "edit",
    "about",
    "self-test-failed",
)

/** Draws every screen in every state and look to `target/screens/`, for people to look at, too. */
@OptIn(ExperimentalTestApi::class)
class ScreensTest {
    @TestFactory
    fun `every state is whole`(): List<DynamicContainer> =
        EVERY_STATE_IN.map { container(it, allStates()) }

    @TestFactory
    fun `telling states are whole in every look`(): List<DynamicContainer> =
        TELLING_STATES_IN.map { look ->
            container(look, TELLING_STATES.associateWith { allStates().getValue(it) })
        }

    private fun container(look: Look, states: Map<String, DemoState>): DynamicContainer =
        dynamicContainer(look.name, states.map { (name, state) ->
            dynamicTest(name) { check(name, state, look) }
        })

    private fun check(name: String, state: DemoState, look: Look) = drawn(
        look,
        { Screens(state, NoActions, englishSamples, libraries = mapOf("Kotlin" to "Apache-2.0")) },
    ) {
        val colors = picture("${look.name}/$name").distinct()
        assertTrue(colors.size > 16, "the picture is blank: ${colors.size} colours")
        assertEquals(emptyList(), problemsOfScreen())
    }
}

/** For screens that are only looked at. */
private object NoActions : DemoActions {
    override fun retry() = Unit
    override fun show(screen: Screen) = Unit
    override fun changeText(text: String) = Unit
    override fun changeQuestion(question: String) = Unit
    override fun replaceText(text: String) = Unit
    override fun replaceQuestion(question: String) = Unit
    override fun takeSample(text: String, question: String) = Unit
    override fun chooseEngine(backend: String) = Unit
    override fun ask() = Unit
    override fun runSelfTest() = Unit
    override fun cancel() = Unit
}
