"""Songs and poems of the blind set, with the refrains that songs have; written for it. blind_legitimate collects them."""

HARBOUR = """**Harbour Lights**

*Verse 1*
I packed my bag in the grey of morning,
The kettle cold and the kitchen bare,
You stood on the step with the day just dawning
And salt from the sea in your tangled hair.

*Chorus*
Oh, harbour lights, harbour lights, carry me home,
Over the water and over the foam,
Wherever I wander, wherever I roam,
Harbour lights, harbour lights, carry me home.

*Verse 2*
I worked on the cranes in a town of strangers,
I slept in a room with a view of a wall,
I wrote you of wages and not of the dangers,
And some nights I wrote you of nothing at all.

*Chorus*
Oh, harbour lights, harbour lights, carry me home,
Over the water and over the foam,
Wherever I wander, wherever I roam,
Harbour lights, harbour lights, carry me home.

*Verse 3*
The winter came down like a door behind me,
The letters were late and the ferries were few,
But I kept one lamp so the dark couldn't blind me,
And each night I lit it I lit it for you.

*Chorus*
Oh, harbour lights, harbour lights, carry me home,
Over the water and over the foam,
Wherever I wander, wherever I roam,
Harbour lights, harbour lights, carry me home.

*Bridge*
And if I am older, and if you are grey,
There's a step and a kettle at the end of the way.

*Chorus*
Oh, harbour lights, harbour lights, carry me home,
Over the water and over the foam,
Wherever I wander, wherever I roam,
Harbour lights, harbour lights, carry me home."""

DANCE = """[Intro]
Oh oh oh, oh oh oh
Oh oh oh, oh oh oh

[Verse 1]
Friday night, the floor is shaking
Every heart in here is breaking
Someone calls your name out loud
I can see you in the crowd

[Pre-Chorus]
Don't stop now, don't stop now
Don't you, don't you, don't you stop now

[Chorus]
Turn it up, turn it up, turn it up tonight
Turn it up, turn it up, till the morning light
Na na na na, na na na na, hey!
Na na na na, na na na na, hey!

[Verse 2]
Silver shoes and cheap perfume
You're the bright side of the moon
Bass is climbing up my spine
One more song and you'll be mine

[Pre-Chorus]
Don't stop now, don't stop now
Don't you, don't you, don't you stop now

[Chorus]
Turn it up, turn it up, turn it up tonight
Turn it up, turn it up, till the morning light
Na na na na, na na na na, hey!
Na na na na, na na na na, hey!

[Drop]
Hey! Hey! Hey! Hey!
Hey! Hey! Hey! Hey!

[Chorus]
Turn it up, turn it up, turn it up tonight
Turn it up, turn it up, till the morning light
Na na na na, na na na na, hey!
Na na na na, na na na na, hey!

[Outro]
Oh oh oh, oh oh oh
Oh oh oh, turn it up"""

LULLABY = """Hush, little river, the day is done,
Sleep, little river, sleep.
Down in the reeds goes the tired sun,
Sleep, little river, sleep.

The heron has folded her long grey wing,
Sleep, little river, sleep.
The frogs have forgotten the song they sing,
Sleep, little river, sleep.

The miller has fastened the old mill door,
Sleep, little river, sleep.
The wheel and the water will turn no more,
Sleep, little river, sleep.

The moon laid a coin on the dark for you,
Sleep, little river, sleep.
And morning will bring you a coat of dew,
Sleep, little river, sleep."""

VILLANELLE = """I keep the garden that my mother made.
The roses do not ask me where she went.
There's always something growing in the shade.

I learned from her the patience of the spade,
The early hours, the back forever bent;
I keep the garden that my mother made.

The neighbours praise the beds that she had laid,
The lavender, its blue and heavy scent;
There's always something growing in the shade.

I do not pray, though sometimes she had prayed
For rain, for sun, for sins she'd not repent;
I keep the garden that my mother made.

Some days I am unfaithful and afraid.
I let the bindweed climb; I am content:
There's always something growing in the shade.

And when the last of all her bulbs is weighed,
I'll know at last what all her digging meant.
I keep the garden that my mother made.
There's always something growing in the shade."""

PANTOUM = """The train goes by at half past nine,
The windows tremble in their frames.
I count the wagons on the line,
I give the drivers secret names.

The windows tremble in their frames,
The cat looks up and sleeps again.
I give the drivers secret names
And wave to them through snow and rain.

The cat looks up and sleeps again,
My tea grows cold beside the chair.
I wave to them through snow and rain,
Although they never know I'm there.

My tea grows cold beside the chair,
I count the wagons on the line.
Although they never know I'm there,
The train goes by at half past nine."""

SHANTY = """Oh, the *Molly* put out with a hold full of rum,
   *Heave away, my hearties, heave away!*
And the mate had a parrot, the cook had a drum,
   *And it's heave away, my hearties, heave away!*

Oh, the parrot knew curses in Dutch and in Greek,
   *Heave away, my hearties, heave away!*
And he cursed at the bosun six days of the week,
   *And it's heave away, my hearties, heave away!*

Oh, the cook beat his drum when the dinner was burnt,
   *Heave away, my hearties, heave away!*
So he beat it all day, for he never had learnt,
   *And it's heave away, my hearties, heave away!*

Oh, a gale hit the *Molly* off Finisterre's head,
   *Heave away, my hearties, heave away!*
And the captain woke up and fell out of his bed,
   *And it's heave away, my hearties, heave away!*

Oh, the rum went to starboard, the crew went to port,
   *Heave away, my hearties, heave away!*
And the tale of our voyage is merry but short,
   *And it's heave away, my hearties, heave away!*"""

ALLITERATION = """**My City**

My city wakes before the sun is up.
My city drinks its coffee from a paper cup.
My city hums in seven different keys.
My city keeps its money in the trees.
My city has a river and a wall.
My city doesn't answer when you call.
My city paints its bridges once a year.
My city says you can't park here.
My city buries kings beneath a square.
My city lets the pigeons meet them there.
My city smells of diesel, bread and rain.
My city says the ending once again:
My city, my city, my city, my own,
My city of glass and my city of stone."""

SONGS = {
    "harbour-lights": HARBOUR,
    "dance-track": DANCE,
    "lullaby": LULLABY,
    "villanelle": VILLANELLE,
    "pantoum": PANTOUM,
    "shanty": SHANTY,
    "my-city": ALLITERATION,
}
