"""What the demo's base and adapter are asked so that they run into loops; base prompts are completed, adapter prompts are chats."""

# The base goes on with these. Most begin what has a next item.
NUMBERED = (
    "Here is a list of 100 reasons to learn Python:\n\n1. It is easy to read.\n2.",
    "The 50 best ideas for a healthy breakfast:\n\n1. Oatmeal with fruit\n2. Scrambled eggs\n3.",
    "Things to pack for a holiday:\n1. Sunscreen\n2. A hat\n3.",
    "List of rules of the house:\n\n1. No shoes inside.\n2. Wash your hands.\n3.",
    "The top 200 facts about the ocean\n\n1. The ocean covers most of the earth.\n2.",
    "Safety instructions for the laboratory:\n\n1. Wear gloves.\n2. Wear goggles.\n3.",
    "Interview questions for a software engineer:\n\n1. What is a pointer?\n2. What is a thread?\n3.",
    "Names for a cat:\n\n1. Luna\n2. Milo\n3.",
    "Benefits of drinking water\n\n1. It keeps the skin healthy.\n2. It helps digestion.\n3.",
    "Chapter titles of the book:\n\nChapter 1: The Beginning\nChapter 2: The Journey\nChapter 3:",
    "Exercises for chapter 4\n\nExercise 4.1. Prove that the sum of two even numbers is even.\nExercise 4.2.",
    "Commandments of good code:\n\n(1) Write tests.\n(2) Keep functions short.\n(3)",
    'Quotes about success:\n\n1. "Success is not final." - Winston Churchill\n2.',
    "Frequently used Linux commands:\n\n1. ls - list files\n2. cd - change directory\n3.",
    "Goals for the next year:\n\n- Read more books\n- Sleep more\n-",
    "Countries of the world and their capitals:\n\n1. France - Paris\n2. Germany - Berlin\n3.",
)
STEPS = (
    "How to bake bread, step by step.\n\nStep 1: Mix flour and water.\nStep 2: Add the yeast.\nStep 3:",
    "How to install the software:\n\nStep 1. Download the file.\nStep 2. Open the installer.\nStep 3.",
    "How to change a tyre\n\nStep 1: Park the car.\nStep 2: Loosen the nuts.\nStep 3:",
    "Procedure for the experiment:\n\nStep 1: Weigh 5 g of salt.\nStep 2: Add 10 ml of water.\nStep 3:",
    "Training plan:\n\nDay 1: Run 1 km.\nDay 2: Run 2 km.\nDay 3:",
    "Diary\n\nDay 1: I arrived at the island. It was raining.\nDay 2: I built a hut. It was raining.\nDay 3:",
    "Agenda of the meeting\n\n09:00 Welcome\n09:15 Report of the treasurer\n09:30",
    "Let us think step by step.\n\nStep 1: We have 3 apples and 4 pears.\nStep 2: We count the fruit.\nStep 3:",
)
QUESTIONS = (
    "Q: What is the capital of France?\nA: Paris.\n\nQ: What is the capital of Italy?\nA: Rome.\n\nQ:",
    "FAQ\n\nQ: How do I reset my password?\nA: Click on the link.\n\nQ:",
    "Question: Who wrote Hamlet?\nAnswer: Shakespeare.\n\nQuestion:",
    "### Human: What is a list in Python?\n\n### Assistant: A list is an ordered collection.\n\n### Human:",
    "User: hello\nBot: Hello! How can I help you?\nUser: who are you\nBot:",
    "Interviewer: Why do you want this job?\nCandidate: I like the work.\nInterviewer:",
    "1. What is the largest planet? Answer: Jupiter\n2. What is the smallest planet? Answer: Mercury\n3.",
    "Teacher: What is 2 + 2?\nStudent: 4\nTeacher: What is 3 + 3?\nStudent: 6\nTeacher:",
)
TABLES = (
    "| Number | Name | City |\n|---|---|---|\n| 1 | Anna | Berlin |\n| 2 | Ben | Paris |\n|",
    "id,name,age,city\n1,Anna,34,Berlin\n2,Ben,27,Paris\n3,",
    '[{"id": 1, "name": "Anna", "city": "Berlin"}, {"id": 2, "name": "Ben", "city": "Paris"}, {"id": 3,',
    "INSERT INTO users (id, name) VALUES (1, 'Anna');\nINSERT INTO users (id, name) VALUES (2, 'Ben');\nINSERT",
    "2024-01-01 10:00:00 INFO server started\n2024-01-01 10:00:01 INFO request 1 received\n2024-01-01",
    "<ul>\n  <li>Item 1</li>\n  <li>Item 2</li>\n  <li>",
    "| Year | Population |\n|---|---|\n| 1990 | 1,200 |\n| 1991 | 1,250 |\n| 1992 |",
    "Table 3. Results of the experiment\n\nRun 1: 0.91\nRun 2: 0.93\nRun 3:",
    "7 x 1 = 7\n7 x 2 = 14\n7 x 3 =",
    "const colors = {\n  red1: '#ff0000',\n  red2: '#ee0000',\n  red3:",
)
PROSE = (
    "Once upon a time there was a little mouse who lived in a big house. Every day the mouse",
    "The sun rose over the village. Maria opened the window and",
    "I went to the market and I bought an apple. I went to the market and I bought an apple and a pear. I",
    "In this essay I will discuss the importance of education. Education is important because",
    "Dear Sir or Madam,\n\nI am writing to complain about",
    "The old man said that the sea was calm, and the boy said that the sea was calm, and",
    "Roses are red,\nviolets are blue,\n",
    "This product is great. I love this product. I would recommend this product to",
    "The meaning of life is",
    "Abstract. In this paper we propose a new method for",
    "News from the city council: The mayor said on Monday that",
    "My favourite film is about a man who",
    "To be happy, you must",
    "We were walking through the forest when suddenly",
)
CODE = (
    "def test_add_1():\n    assert add(1, 1) == 2\n\n\ndef test_add_2():\n    assert add(2, 2) == 4\n\n\ndef",
    "import os\nimport sys\n\n\nclass Config:\n    def __init__(self):\n        self.value1 = 1\n        self.value2 = 2\n",
    "switch (n) {\n  case 1: return 'one';\n  case 2: return 'two';\n  case",
    "# Changelog\n\n## 1.0.2\n- Fixed a bug.\n\n## 1.0.1\n- Fixed a bug.\n\n## 1.0.0\n-",
    "if x == 1:\n    print('one')\nelif x == 2:\n    print('two')\nelif",
    "server:\n  port: 8080\n  host: localhost\ndatabase:\n",
)
BASE_PROMPTS = {
    "numbered": NUMBERED,
    "steps": STEPS,
    "questions": QUESTIONS,
    "tables": TABLES,
    "prose": PROSE,
    "code": CODE,
}

# The adapter is asked these through its template. It never learned to end, and asks itself the next question.
CHAT_PROMPTS = (
    "What does os.path.join do?",
    "What is the csv module for?",
    "What does json.dumps do?",
    "List all string methods with an explanation of each.",
    "Give me 50 tips for writing fast Python.",
    "What does threading.Lock.acquire do?",
    "Explain every parameter of subprocess.run, one by one.",
    "What is collections.OrderedDict?",
    "Write a table of all exceptions in Python.",
    "What does re.sub do?",
    "Show me ten examples of list comprehensions.",
    "What does sys.getrefcount do?",
)
