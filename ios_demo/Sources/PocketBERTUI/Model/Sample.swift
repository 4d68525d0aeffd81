/// A text to try, and questions about it. They were written for this app.
public struct Sample: Sendable {
  public let title: String
  public let text: String
  public let questions: [String]

  /// In English, as the model reads it.
  public static let all = [
    Sample(
      title: "The first landing on the Moon",
      text: """
        Apollo 11 left the Kennedy Space Center in Florida on 16 July 1969, on top of a Saturn V rocket. On board \
        were Neil Armstrong, Michael Collins and Buzz Aldrin. Four days later Armstrong and Aldrin landed on the \
        Moon in the lunar module Eagle, while Collins stayed in orbit in the command module Columbia.

        The two men spent about two and a half hours outside. They set up instruments and collected 21.5 \
        kilograms of rocks and soil. On 24 July the three came down in the Pacific Ocean, where the aircraft \
        carrier USS Hornet was waiting for them.
        """,
      questions: [
        "Who stayed in orbit?", "When did Apollo 11 leave Florida?", "How much did the rocks and soil weigh?",
      ]),
    Sample(
      title: "From a washing machine's manual",
      text: """
        Before the first wash, run the machine once empty at 60 °C to clean the drum. Open the water tap fully, \
        and put the drain hose into a standpipe that is at least 65 centimetres high.

        If the display shows E18, the pump is blocked. Switch the machine off, put a bowl under the flap at the \
        bottom right, and unscrew the filter slowly, as up to two litres of water may come out. Rinse the filter \
        under the tap and screw it in again until it clicks.

        If the display shows E23, there is water in the base of the machine. Close the tap and call the service. \
        The drum light can be replaced by yourself: it is a 5 watt lamp with an E14 base.
        """,
      questions: [
        "What does E18 mean?", "How high must the standpipe be?", "What should I do if the display shows E23?",
      ]),
    Sample(
      title: "A story: the lighthouse of Marlow Point",
      text: """
        The lighthouse of Marlow Point was built in 1874, after three ships had been lost on the reef in one \
        winter. Its architect, Henrietta Vance, had never seen the sea before she came to the village; she had \
        built mills. People said that this was why the tower was so wide at its foot, and why it was still \
        standing.

        The first keeper was a retired sailmaker called Tobias Reed. He climbed the 142 steps four times each \
        night, wound the clockwork that turned the lamp, and wrote down every ship that passed. His books are in \
        the village library today. In the entry for 3 March 1881 he notes that the fog was so thick that he rang \
        the bell with his own hands for nineteen hours.

        When Reed died, his daughter Agnes took over the lamp without asking anybody. It took the harbour board \
        two years to notice. They sent an inspector, who stayed for a night, counted the ships in her book, found \
        more of them than his own office had counted, and recommended that she be paid. She remained the keeper \
        for thirty-one years.

        In 1926 the lamp was changed from oil to electricity. The cable came from the cannery on the other side \
        of the bay, and whenever the cannery started its machines in the morning, the light went dim. Fishermen \
        took that as the sign that it was time to have breakfast.

        The last keeper, Samuel Okafor, left in 1988, when the light became automatic. He did not go far: he \
        bought the old bakery, and the bread that he sells there, round and wide at its foot, is called a Vance.
        """,
      questions: [
        "Who was the first keeper?", "Why was the lighthouse built?", "What did Samuel Okafor buy?",
        "How many steps are there?",
      ]),
  ]
}
