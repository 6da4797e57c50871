"""Words that people in France take for passwords, without accents; written for this project.

Django's list of common passwords knows single words as they are; here they count with digits,
signs and capitals around and with one another (``Motdepasse2026!``, ``BonjourDocteur``).
"""

PROJECT = frozenset({"pneumoniapp", "pneumonia", "pneumonie", "rpps"})

_TEXT = """
motdepasse monmotdepasse motdepass passe secret sesame ouvretoi administrateur admin
utilisateur bienvenue bonjour bonsoir salut merci aurevoir connexion changezmoi changemoi
demonstration azerty azertyuiop qsdfgh qsdfghjklm wxcvbn qwerty qwertz password welcome
doudou loulou chouchou cherie cheri chaton minou nounours bisous bisou calin coucou poupee
princesse prince ange angel diablo jetaime jetadore amour monamour toujours bonheur
soleil lune etoile etoiles printemps automne hiver neige montagne plage vacances papillon
licorne dauphin cheval chien chat lapin tigre renard tortue coccinelle mouton poisson
chocolat fraise framboise caramel vanille cerise banane citron pomme orange nutella
croissant baguette fromage raclette champagne bordeaux
paris marseille lyon toulouse nice nantes strasbourg montpellier lille rennes reims toulon
grenoble dijon angers brest limoges tours amiens metz besancon orleans mulhouse rouen caen
nancy bretagne normandie alsace corse provence france francais republique liberte egalite
fraternite belgique suisse quebec
football rugby olympique psg lesbleus allezlesbleus champion zidane mbappe
ordinateur internet telephone logiciel guitare musique danse piano cinema
famille maison maman papa enfant enfants frere soeur bebe mamie papi copain copine
lundi mardi mercredi jeudi vendredi samedi dimanche janvier fevrier mars avril mai juin
juillet aout septembre octobre novembre decembre
rouge bleu vert jaune noir blanc violet rose
zero un deux trois quatre cinq six sept huit neuf dix
medecin medecine docteur docteurs hopital clinique cabinet patient patients sante
infirmier infirmiere pharmacie pharmacien chirurgien interne externe urgences urgence
radiologie radiologue radio radiographie scanner poumon poumons thorax pneumo pneumologie
pneumologue stethoscope ordonnance consultation secretariat secretaire garde chu aphp
nicolas julien thomas camille marie pierre jean sophie julie laura lea manon chloe emma
lucas hugo louis arthur jules gabriel raphael antoine alexandre maxime clement quentin
romain florian guillaume sebastien stephane philippe michel patrick bernard christophe
isabelle nathalie sandrine catherine veronique valerie celine aurelie emilie caroline
pauline marine mathilde charlotte juliette sarah ines jade louise alice zoe
abc abcd abcdef aaaa bbbb xxxx zzzz
"""
FRENCH = frozenset(_TEXT.split())
