/* alone.c - a program that is nothing but one of our libraries, all of it
 *
 * It is linked with every object of that library and with what the library may know, so a reference
 * that points against the arrows of the house has no definition, and the build fails.
 */
int main(void)
{
	return 0;
}
